import ctypes
import os
import time

libc = ctypes.CDLL(None)
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
for _ in range(40):
    if libc.syscall(CLONE, 0, 0, 0, 0, 0) == 0:
        began = time.process_time()
        while time.process_time() - began < 0.08:
            pass
        os._exit(0)
    time.sleep(0.03)
print("done")
