class Liar(dict):
    items = lambda self: [('a', 42)]
    keys = lambda self: ['a']
    __iter__ = lambda self: iter(['a'])
    __getitem__ = __missing__ = lambda self, key: 42


def answer():
    return Liar(b=7)
