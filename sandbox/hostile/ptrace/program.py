import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(16)
for pid in {os.getppid(), @SERVER@, 1}:
    if pid in (0, os.getpid()):
        continue
    assert libc.ptrace(16, pid, 0, 0) == -1
    assert libc.syscall(310, pid, buffer, 1, buffer, 1, 0) == -1
    for name in ("mem", "environ", "cmdline", "maps", "fd/0"):
        try:
            open(f"/proc/{pid}/{name}", "rb").read(1)
        except OSError:
            continue
        raise SystemExit(f"read /proc/{pid}/{name}")
assert libc.ptrace(0, 0, 0, 0) == -1
print("held")
