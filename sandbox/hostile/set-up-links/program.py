import os

print(sorted(set(os.listdir(".")) - {"main.py"}))
print(open("data").read(), sorted(os.listdir("folder")))
