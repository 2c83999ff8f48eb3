import sys

sys.setrecursionlimit(10**9)


def fall(depth):
    return fall(depth + 1)


def plain():
    return fall(0)


def nested():
    text = "(" * 100000
    compile(text, "x", "eval")
