# CWE-95
import re
def f(e):
    if not re.match(r"^[^a-zA-Z_]+$", e):
        raise ValueError
    return eval(e)
