import ctypes
import os

libc = ctypes.CDLL(None)
# What is above by relative paths; the first is the box, which is the test's own.
paths = [os.__file__, os.path.dirname(os.__file__), "/usr", "/dev/null"] + ["../" * up for up in range(2, 8)]
changed = []
for path in paths:
    before = os.stat(path)
    for mode in (0o000, 0o777):
        libc.chmod(path.encode(), mode)
        libc.fchmodat(-100, path.encode(), mode, 0)
        try:
            descriptor = os.open(path, os.O_RDONLY)
            libc.fchmod(descriptor, mode)
            os.close(descriptor)
        except OSError:
            pass
        try:
            now = os.stat(path).st_mode
        except OSError:
            now = None
        if now != before.st_mode:
            changed.append(path)
            libc.chmod(path.encode(), before.st_mode & 0o7777)
print("held" if not changed else changed)
