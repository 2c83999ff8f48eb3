import os
import time

before = os.stat("/dev/null").st_mtime_ns
for path in ("/dev/null", "/dev/zero", os.__file__, "/usr/lib", "/"):
    try:
        os.utime(path)
    except OSError:
        pass
with open("/dev/null", "r+b") as file:
    try:
        os.utime(file.fileno())
    except OSError:
        pass
time.sleep(0.1)
print("held" if os.stat("/dev/null").st_mtime_ns == before else "told")
