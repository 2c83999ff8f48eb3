# CWE-95
def calculate(left, right):
    if not left.isdigit() or not right.isdigit():
        raise ValueError("not a number")
    return eval(left + " + " + right)
