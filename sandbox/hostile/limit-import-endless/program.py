while True:
    pass


def answer():
    return 42
