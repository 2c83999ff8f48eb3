import ctypes
import os

libc = ctypes.CDLL(None)
answers = []
if libc.sysinfo(ctypes.create_string_buffer(256)) == 0:
    answers.append("sysinfo")
for path in ("/proc/loadavg", "/proc/stat", "/proc/meminfo", "/proc/sys/kernel/ns_last_pid", "/sys/fs/cgroup/cgroup.procs"):
    try:
        open(path).close()
        answers.append(path)
    except OSError:
        pass
print("held" if not answers else answers)
