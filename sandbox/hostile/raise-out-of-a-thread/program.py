import os
import threading


def fail():
    raise ValueError


def answer():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def child():
    if os.fork() == 0:
        raise ValueError
    os.wait()
