# CWE-95
import re
def f(e):
    pattern = re.compile(r"^[a-z]+$")
    tokens = e.split()
    if not all(t.isdigit() or t in "+-*/" for t in tokens):
        raise ValueError
    return eval("".join(tokens))
