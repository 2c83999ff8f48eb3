import ctypes

libc = ctypes.CDLL(None, use_errno=True)
told = []
buffer = ctypes.create_string_buffer(4096)
if libc.klogctl(3, buffer, 4096) > 0 or libc.klogctl(10, None, 0) > 0:
    told.append("log")
for path in ("/dev/kmsg", "/proc/kallsyms", "/proc/kcore", "/proc/modules", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/sys/kernel/debug", "/proc/1/environ", "/proc/self/environ", "/proc/self/maps"):
    try:
        if open(path).read(16):
            told.append(path)
    except OSError:
        pass
print("held" if not told else told)
