import types


class Endless(dict):
    def keys(self):
        while True:
            yield object()

    __iter__ = keys
    __getitem__ = lambda self, key: key
    __len__ = lambda self: 1


def answer():
    return types.MappingProxyType(Endless())
