def cycle():
    value = []
    value.append(value)
    return value


def deep():
    value = []
    for _ in range(100000):
        value = [value]
    return value


def huge():
    return "x" * (300 << 20)


def wide():
    return [None] * (40 << 20)


def number():
    return 1 << (8 * 300 << 20)


class Bomb:
    def __repr__(self):
        raise RuntimeError("boom")


def bomb():
    return Bomb()


class Meta(type):
    def mro(cls):
        return [cls, *type.mro(cls)[1:]]

    __module__ = property(lambda self: 1 / 0)


class Strange(Exception, metaclass=Meta):
    pass


def strange():
    raise Strange
