import sys
import weakref


class Last:
    def __del__(self):
        raise ValueError()


def hook(unraisable):
    raise ValueError()


sys.unraisablehook = hook


def f(x):
    last = Last()
    weakref.finalize(last, lambda: 1 / 0)
    return None
