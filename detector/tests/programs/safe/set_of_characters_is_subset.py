# CWE-95
def f(e):
    allowed = set("0123456789+-*/(). ")
    if not set(e).issubset(allowed):
        raise ValueError
    return eval(e)
