import contextlib
import io
import os
import sys


class Said:
    def __init__(self, word):
        self.word = word

    def __del__(self):
        sys.stdout.write(self.word + "\n")


@contextlib.contextmanager
def left_open():
    try:
        yield
    finally:
        print("closed")


def main():
    unwritten = open(os.dup(1), "w")
    unwritten.write("written\n")
    io.TextIOWrapper(open(os.dup(1), "wb"), write_through=False).write("wrapped\n")
    suspended = left_open()
    suspended.__enter__()
    globals()["kept"] = Said("last")
    cycle = [Said("in a cycle")]
    cycle.append(cycle)
    sys.exit(0)


main()
