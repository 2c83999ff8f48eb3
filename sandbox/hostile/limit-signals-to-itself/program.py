import os
import signal
import threading


def again(number, frame):
    os.kill(os.getpid(), signal.SIGUSR1)


for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, again)
os.kill(os.getpid(), signal.SIGUSR1)
while True:
    pass
