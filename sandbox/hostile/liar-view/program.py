class Liar(dict):
    def __iter__(self):
        return iter([42])

    keys = __reversed__ = __iter__
    __len__ = lambda self: 1
    __contains__ = lambda self, key: True
    __eq__ = lambda self, other: True
    __hash__ = None


def answer():
    return dict.keys(Liar({1: 2}))
