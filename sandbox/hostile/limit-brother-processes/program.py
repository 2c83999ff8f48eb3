import ctypes
import os
import time

CLONE_PARENT = 0x8000
SYS_clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
libc = ctypes.CDLL(None)
for signal in (17, 0, 9):
    for seconds in (0, 60):
        if libc.syscall(SYS_clone, CLONE_PARENT | signal, 0, 0, 0, 0) == 0:
            time.sleep(seconds)
            os._exit(0)
print("held")
