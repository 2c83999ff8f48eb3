def f(x):
    return [{1: "a"}, {"1": "a", 1: "b"}, {True: "a"}, {b"1": "a"}, {(1,): "a"}][x]
