# CWE-95
import re
def f(e):
    if re.match(r"^[\w+\-*/().]+$", e):
        return eval(e)
