import ctypes
import fcntl
import os

libc = ctypes.CDLL(None, use_errno=True)
assert libc.inotify_init1(0) == -1 or libc.inotify_add_watch(libc.inotify_init1(0), os.__file__.encode(), 0xFFF) == -1
file = open(os.__file__)
for command in (fcntl.F_SETLEASE, fcntl.F_NOTIFY):
    try:
        fcntl.fcntl(file, command, 1)
    except OSError:
        continue
    raise SystemExit('watches')
print('held')
