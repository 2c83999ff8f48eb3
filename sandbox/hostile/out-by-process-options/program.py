import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
got = []
# Securebits, another root for mappings, capabilities that survive, speculation, and the end of no_new_privs.
for name, option, *arguments in (
    ("securebits", 28, 0x2F, 0, 0, 0), ("mm", 35, 1, 0x10000, 0, 0), ("ambient", 47, 2, 21, 0, 0), ("no new privileges", 38, 0, 0, 0, 0),
    ("bounding set", 24, 0, 0, 0, 0), ("timing", 14, 1, 0, 0, 0),
):
    if libc.prctl(option, *arguments) == 0:
        got.append(name)
libc.prctl(1, 0)  # lives on when the zygote ends
libc.prctl(36, 1, 0, 0, 0)  # adopts orphans
libc.prctl(4, 1, 0, 0, 0)  # may be dumped
for path in ("/proc/self/mem", f"/proc/{os.getppid()}/mem", "/proc/self/oom_score_adj", "/proc/1/environ"):
    try:
        open(path, "r+b").close()
        got.append(path)
    except OSError:
        pass
print("held" if not got else got)
