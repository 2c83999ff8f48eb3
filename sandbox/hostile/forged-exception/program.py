import os
import sys


def nonce():
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Report":
                return value.nonce
        frame = frame.f_back
    return b"?"


def send(record):
    try:
        os.write(200, nonce() + record)
    finally:
        os._exit(0)


def text(value):
    return b"s%d:%s" % (len(value), value)


SIX = [b"ValueError", b"KeyError", b"TypeError", b"IndexError", b"AttributeError", b"PermissionError"]


def names():
    send(b"El3:l6:" + b"".join(map(text, SIX)) + text(b"") + b"i1:1")


def classes():
    send(b"El5:" + text(b"call") + b"l6:" + b"".join(map(text, SIX)) + text(b"") + text(b"") + b"i1:1")


def joined():
    send(b"El5:" + text(b"call") + text(b",".join(SIX)) + text(b"ValueError") + text(b"") + b"i1:1")


def place():
    send(b"El5:" + text(b"import") + text(b"builtins.ValueError") + text(b"") + text(b"") + b"i1:1")


def done():
    send(b"D")


def twice():
    send(b"Vi1:1" + nonce() + b"Vi1:2")
