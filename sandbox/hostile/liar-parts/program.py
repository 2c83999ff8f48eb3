from decimal import Decimal


class C(complex):
    real = 1.0
    imag = 2.0


class D(Decimal):
    def __str__(self):
        return "1.5"

    as_tuple = __repr__ = __str__


class B(bytes):
    def __bytes__(self):
        return b"ok"

    def __buffer__(self, flags):
        return memoryview(b"ok")


class I(int):
    def __index__(self):
        return 42

    __int__ = __trunc__ = __index__


def solve(kind):
    return {"c": C(0), "d": D(2), "b": B(b"no"), "i": I(1)}[kind]
