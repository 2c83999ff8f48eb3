class Later:
    def __iter__(self):
        raise ValueError()

    __len__ = __next__ = __aiter__ = __hash__ = __str__ = __iter__


def f(x):
    return [Later(), (1 / 0 for _ in range(1)), {}, lambda: 1 / 0][x]
