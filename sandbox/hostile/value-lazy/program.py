import itertools


def f(x):
    return [iter([1, 2, 3]), range(1, 4), map(int, "123"), {1: 1, 2: 2, 3: 3}.keys(), itertools.count(1), {1, 2, 3}, (1, 2, 3)][x]
