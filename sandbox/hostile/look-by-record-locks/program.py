import fcntl
import os
import time

held = []
for path in ("/dev/null", os.__file__, "/usr/lib"):
    for flags in (os.O_RDWR, os.O_RDONLY):
        try:
            held.append(os.open(path, flags))
        except OSError:
            pass
held += [os.eventfd(0), os.pidfd_open(os.getpid()), __import__("select").epoll().fileno()]
for descriptor in held:
    for lock in (fcntl.LOCK_EX, fcntl.LOCK_SH):
        try:
            fcntl.lockf(descriptor, lock | fcntl.LOCK_NB, 1, 7)
        except BlockingIOError:
            raise SystemExit("somebody else holds it")
        except OSError:
            pass
time.sleep(0.3)
print("held")
