from decimal import Decimal


def solve(text):
    return Decimal(text)
