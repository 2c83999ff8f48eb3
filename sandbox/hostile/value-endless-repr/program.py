class Endless:
    def __repr__(self):
        while True:
            pass


def f(x):
    return [Endless()] if x else Endless()
