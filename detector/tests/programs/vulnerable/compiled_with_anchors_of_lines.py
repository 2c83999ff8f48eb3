# CWE-95
import re
P = re.compile(r"^[0-9+]+$", re.M)
def f(e):
    if not P.match(e):
        raise ValueError
    return eval(e)
