import os

print(sorted(os.listdir(".")))
print(open("data").read(), sorted(os.listdir("folder")))
