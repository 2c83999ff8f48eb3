# CWE-95
import re
SAFE = re.compile(r"[0-9+]+")
def f(e):
    if not SAFE.match(e):
        raise ValueError
    return eval(e)
