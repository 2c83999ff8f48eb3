def f(x):
    try:
        try:
            raise ValueError()
        except ValueError as error:
            raise KeyError() from error
    except KeyError as error:
        error.add_note("ValueError")
        raise RuntimeError("ValueError: KeyError") from error
