import decimal
import fractions


class Every(decimal.Decimal):
    __str__ = __repr__ = lambda self: "42"
    __eq__ = lambda self, other: True
    __hash__ = decimal.Decimal.__hash__


class Part(fractions.Fraction):
    __str__ = __repr__ = lambda self: "42"
    numerator = denominator = property(lambda self: 42)


def f(x):
    return [Every(1), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), Part(1), decimal.Decimal("1e99999")][x]
