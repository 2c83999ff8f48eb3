def solve():
    try:
        raise KeyError("x")
    except KeyError as error:
        raise error.with_traceback(None) from None
