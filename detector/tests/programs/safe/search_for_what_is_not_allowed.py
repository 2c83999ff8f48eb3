# CWE-95
import re
def f(e):
    if re.search(r"[^0-9+\-*/(). ]", e):
        raise ValueError("bad")
    return eval(e)
