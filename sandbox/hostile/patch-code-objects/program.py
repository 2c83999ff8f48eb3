import traceback
import atexit
import linecache


def fake(*a, **k):
    return 42


for function in (traceback.format_exception, linecache.getlines):
    function.__code__ = fake.__code__


def answer():
    return 7
