# CWE-95
import re
def f(e):
    e = re.sub(r"[^0-9+\-*/().]", "", e)
    return eval(e)
