import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "memfd_create": (319, b"x", 0), "memfd_secret": (447, 0), "userfaultfd": (323, 1), "io_uring_setup": (425, 8, ctypes.create_string_buffer(256)),
    "bpf": (321, 0, ctypes.create_string_buffer(128), 128), "perf_event_open": (298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "add_key": (248, b"user", b"x", b"y", 1, -3), "keyctl": (250, 0, -3, 1), "process_vm_readv": (310, os.getppid(), None, 0, None, 0, 0),
    "kcmp": (312, os.getpid(), os.getppid(), 0, 0, 0), "pidfd_getfd": (438, 3, 0, 0), "setns": (308, 3, 0), "unshare": (272, 0x10000000),
    "fsopen": (430, b"tmpfs", 0), "open_tree": (428, -100, b"/", 1), "move_mount": (429, -100, b"/", -100, b"/tmp", 0), "chroot": (161, b"."),
    "pivot_root": (155, b".", b"."), "swapon": (167, b"x", 0), "acct": (163, b"x"), "syslog": (103, 3, None, 0), "quotactl": (179, 0, None, 0, None),
    "name_to_handle_at": (303, -100, b"/", ctypes.create_string_buffer(256), ctypes.create_string_buffer(8), 0),
    "fanotify_init": (300, 0, 0), "lookup_dcookie": (212, 0, None, 0), "ptrace": (101, 16, os.getppid(), 0, 0), "mbind": (237, 0, 0, 0, 0, 0, 0),
    "migrate_pages": (256, 0, 1, None, None), "clock_settime": (227, 0, ctypes.create_string_buffer(16)), "sethostname": (170, b"x", 1),
    "landlock_create_ruleset": (444, None, 0, 1), "cachestat": (451, 3, None, None, 0), "set_mempolicy": (238, 0, None, 0), "init_module": (175, None, 0, b""),
    "process_madvise": (440, 3, None, 0, 0, 0), "mq_open": (240, b"x", 0o102, 0o600, None), "shmget": (29, 1, 4096, 0o1600),
}
if os.uname().machine != "x86_64":
    NUMBERS = {}
got = [name for name, (number, *arguments) in NUMBERS.items() if libc.syscall(number, *arguments) != -1]
print("held" if not got else got)
