import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1, "user namespace"
assert libc.unshare(0x00020000) == -1, "mount namespace"
assert libc.mount(b"none", b"/", b"tmpfs", 0, None) == -1, "mount"
assert libc.umount2(b"/box", 2) == -1, "umount"
assert libc.chroot(b".") == -1, "chroot"
assert libc.syscall(304, -1, None, 0) == -1, "open_by_handle_at"
assert libc.syscall(321, 0, None, 0) == -1, "bpf"
assert libc.syscall(425, 1, None) == -1, "io_uring_setup"
assert libc.syscall(323, 0) == -1, "userfaultfd"
assert libc.syscall(319, b"x", 0) == -1, "memfd_create"
assert libc.setns(0, 0) == -1, "setns"
for call in (os.setuid, os.setgid):
    try:
        call(0)
    except OSError:
        continue
    raise SystemExit("became root")
print("held")
