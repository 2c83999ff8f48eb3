import atexit
import os
import signal
import time


def leave():
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in range(256):
            try:
                os.close(descriptor)
            except OSError:
                pass
        time.sleep(@SLEEP@)
        os._exit(0)


class Last:
    def __del__(self):
        leave()


last = Last()
atexit.register(leave)
leave()
print("held")
