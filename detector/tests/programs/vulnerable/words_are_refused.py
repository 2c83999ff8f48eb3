# CWE-95
def f(e):
    if "import" in e or "__" in e:
        raise ValueError
    return eval(e)
