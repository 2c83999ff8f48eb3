import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
own = {os.getpid(), os.getppid(), 0, 1}
told = set()
for pid in range(2, 400):
    if pid in own:
        continue
    for name, call in (("priority", lambda: os.getpriority(os.PRIO_PROCESS, pid)), ("affinity", lambda: os.sched_getaffinity(pid)), ("scheduler", lambda: os.sched_getscheduler(pid))):
        try:
            call()
        except OSError as error:
            continue
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    if libc.syscall(274, pid, ctypes.byref(head), ctypes.byref(size)) == 0:
        told.add("robust list")
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(head), 8)
    remote = (ctypes.c_uint64 * 2)(0x400000, 8)
    if libc.syscall(310, pid, local, 1, remote, 1, 0) > 0:
        told.add("memory")
    if libc.syscall(312, pid, os.getpid(), 0, 0, 0) >= 0:
        told.add("kcmp")
print("held" if not told else sorted(told))
