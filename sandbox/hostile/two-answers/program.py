import os


def answer():
    return 1 if os.fork() == 0 else 2
