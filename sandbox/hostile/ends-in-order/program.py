import ctypes
import sys


class Held:
    def __init__(self, word):
        self.word = word

    def __del__(self):
        sys.stdout.write(self.word + "\n")


class Done(SystemExit):
    """Ends the program as well as its base does."""


first, second, _private = Held("first"), Held("second"), Held("private")
ctypes.CDLL(None).puts(b"kept by C")
print("start")
raise Done
