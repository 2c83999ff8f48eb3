# CWE-95
import re
def f(e):
    m = re.match(r"^\s*(\d+)\s*([+\-*/])\s*(\d+)\s*$", e)
    if m:
        return eval(e)
    return None
