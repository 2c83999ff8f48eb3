# CWE-95
def f(e):
    allowed = "0123456789+-*/(). "
    for ch in e:
        if ch not in allowed:
            raise ValueError(ch)
    return eval(e)
