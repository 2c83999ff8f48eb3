class First(Exception):
    pass


class Second(First):
    pass


for change in (lambda: setattr(First, "__bases__", (ValueError,)), lambda: setattr(Second, "__bases__", (KeyError, First))):
    try:
        change()
    except TypeError:
        pass


class Odd(LookupError):
    pass


def solve():
    raise Second


def other():
    error = Second()
    try:
        error.__class__ = Odd
    except TypeError:
        pass
    raise error
