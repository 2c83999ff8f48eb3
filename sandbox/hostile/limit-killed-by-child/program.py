import os
import signal
import time

parent = os.getpid()
if os.fork() == 0:
    os.kill(parent, signal.SIGKILL)
    os._exit(0)
time.sleep(5)
