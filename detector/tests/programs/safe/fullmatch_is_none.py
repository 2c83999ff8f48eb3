# CWE-95
import re
def f(e):
    if re.fullmatch(r"[0-9+\-*/(). ]*", e) is None:
        return None
    return eval(e, {"__builtins__": None}, {})
