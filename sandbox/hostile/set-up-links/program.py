import os

print(sorted(set(os.listdir(".")) - {os.path.basename(__file__)}))
print(open("data").read(), sorted(os.listdir("folder")))
