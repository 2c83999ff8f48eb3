# CWE-95
OPS = {"add": lambda a, b: a + b}
def f(op, a, b):
    if op not in OPS:
        raise KeyError(op)
    return eval(f"OPS['{op}']")(a, b)
