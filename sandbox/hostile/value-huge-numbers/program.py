from decimal import Decimal
from fractions import Fraction


def whole():
    return 10**200_000


def far():
    return Decimal("1E+999999999999")


def near():
    return Decimal("1E-999999999999")


def told():
    return [Decimal("NaN123"), Decimal("sNaN"), Decimal("-0E+5")]


def ratio():
    return Fraction(10**20_000, 3)


def members():
    return {10**400, 1e308, Decimal("1E+400"), -(10**400)}
