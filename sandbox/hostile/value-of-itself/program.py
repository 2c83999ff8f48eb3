import collections
import types


def answer(x):
    if x == 0:
        value = types.SimpleNamespace()
        value.a = value
        return value
    value = collections.deque()
    for _ in range(100_000):
        value = collections.deque([value])
    return value
