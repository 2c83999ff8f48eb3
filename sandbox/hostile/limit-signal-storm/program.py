import signal
import time


def burn(number, frame):
    for _ in range(20_000):
        pass


signal.signal(signal.SIGALRM, burn)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
time.sleep(100)
while True:
    signal.pause()
