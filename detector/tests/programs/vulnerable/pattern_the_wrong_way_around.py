# CWE-95
import re
def f(e):
    if re.fullmatch(r"[0-9+]+", e):
        raise ValueError
    return eval(e)
