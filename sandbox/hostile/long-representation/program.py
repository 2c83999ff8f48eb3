import fractions


def answer():
    return fractions.Fraction(10**3000 + 1, 7)


def right():
    return fractions.Fraction(10**3000, 7)
