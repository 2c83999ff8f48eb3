class All(ValueError, KeyError, TypeError, IndexError, RuntimeError, ArithmeticError):
    pass


class Below(All):
    pass


def check():
    raise All


def below():
    raise Below
