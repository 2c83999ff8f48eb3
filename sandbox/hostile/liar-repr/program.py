calls = 0


class Liar:
    def __repr__(self):
        global calls
        calls += 1
        return '42' * (calls << 20)


def answer():
    return [Liar() for _ in range(4)]
