import fractions

half = fractions.Fraction(1, 2)


class Both:
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __mul__ = __rmul__ = __floordiv__ = __mod__ = __add__ = lambda self, other: self
    __str__ = __repr__ = lambda self: "42"
    __hash__ = lambda self: 42


def answer(x):
    if x == 0:
        fractions.Fraction._numerator = fractions.Fraction._denominator = property(lambda self: 42)
    elif x == 1:
        half._numerator = Both()
    elif x == 2:
        half._denominator = 0
    else:
        fractions.Fraction.__eq__ = lambda self, other: True
    return half
