# CWE-95
import re
SAFE = re.compile(r"[\d\s+\-*/().]+")
def f(e):
    if not SAFE.fullmatch(e):
        raise ValueError
    return eval(e)
