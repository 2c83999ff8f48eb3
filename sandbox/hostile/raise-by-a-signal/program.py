import os
import signal
import threading


def arrive(number, frame):
    raise ValueError()


signal.signal(signal.SIGALRM, arrive)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.001)
