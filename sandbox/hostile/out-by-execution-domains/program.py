import ctypes

libc = ctypes.CDLL(None, use_errno=True)
told = []
for name, number, arguments in (
    ("personality", 135, (0x0400000,)), ("iopl", 172, (3,)), ("ioperm", 173, (0, 8, 1)), ("modify_ldt", 154, (0, None, 0)),
    ("acct", 163, (None,)), ("swapon", 167, (b"x", 0)), ("settimeofday", 164, (None, None)), ("sethostname", 170, (b"x", 1)),
    ("reboot", 169, (0, 0, 0, None)), ("quotactl", 179, (0, None, 0, None)), ("bpf", 321, (0, None, 0)),
    ("perf_event_open", 298, (None, 0, -1, -1, 0)), ("userfaultfd", 323, (1,)), ("io_uring_setup", 425, (1, None)),
    ("open_by_handle_at", 304, (3, None, 0)), ("name_to_handle_at", 303, (-100, b"/", None, None, 0)), ("kexec_load", 246, (0, 0, None, 0)),
    ("init_module", 175, (None, 0, b"")), ("adjtimex", 159, (None,)), ("ptrace", 101, (0, 0, 0, 0)), ("chroot", 161, (b".",)),
    ("pivot_root", 155, (b".", b".")), ("setns", 308, (0, 0)), ("fsopen", 430, (b"tmpfs", 0)), ("move_mount", 429, (0, b"", 0, b"", 0)),
):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    if result >= 0 or ctypes.get_errno() not in (1, 38):
        told.append((name, result, ctypes.get_errno()))
print("held" if not told else told)
