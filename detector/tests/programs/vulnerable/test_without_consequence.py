# CWE-95
import re
def f(e):
    ok = re.match(r"^[0-9]+$", e)
    if not ok:
        print("warning")
    return eval(e)
