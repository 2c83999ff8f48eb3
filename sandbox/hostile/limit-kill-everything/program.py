import os
import signal

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
    for pid in (1, -1):
        try:
            os.kill(pid, number) if pid != os.getpid() else None
        except OSError:
            pass
print('held')
