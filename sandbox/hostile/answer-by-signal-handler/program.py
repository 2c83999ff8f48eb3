import signal

signal.signal(signal.SIGALRM, lambda *a: print(42, flush=True))
signal.setitimer(signal.ITIMER_REAL, 0.05)
while True:
    pass
