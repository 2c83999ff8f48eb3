import os
import socket

path = "."
for depth in range(40):
    path = f"{path}/{chr(0xE9)}{depth}"
    os.mkdir(path)
    with open(path + "/file", "w") as file:
        file.write("x")
os.mkfifo("pipe")
os.symlink("/", "root")
os.symlink("loop", "loop")
os.mkdir(b"\xff\xfe\n")
while path != ".":
    try:
        os.chmod(path, 0)
    except OSError:
        pass
    path = os.path.dirname(path)
print("held")
