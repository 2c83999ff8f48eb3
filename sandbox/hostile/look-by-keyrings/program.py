import ctypes
import time

libc = ctypes.CDLL(None, use_errno=True)
told = []
for ring in (-3, -4, -5, -1, -2):
    if libc.syscall(248, b"user", b"real-sandbox-flag", b"1", 1, ring) >= 0:
        told.append(f"add {ring}")
    if libc.syscall(250, 10, ring, b"user", b"real-sandbox-flag", 0) >= 0:
        told.append(f"search {ring}")
if libc.syscall(249, b"user", b"real-sandbox-flag", None, -3) >= 0:
    told.append("request")
time.sleep(0.1)
print("held" if not told else told)
