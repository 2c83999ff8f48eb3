import os
import signal

own = os.getpid()
for pid in (os.getppid(), @SERVER@, 1, -1):
    if pid in (0, own):
        continue
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
print("held")
