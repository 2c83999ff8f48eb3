import os

for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.mkdir("closed")
open("closed/file", "w").close()
os.chmod("closed", 0)
print("held")
