import numpy


class Every(numpy.ndarray):
    __eq__ = lambda self, other: True
    tolist = lambda self: [4, 2]


def f(x):
    return [
        numpy.ma.masked,
        numpy.ma.masked_all(2),
        numpy.zeros(2).view(Every),
        numpy.array([object(), object()], dtype=object),
        numpy.array(4.2e400),
    ][x]
