class Meta(type):
    __name__ = property(lambda self: 1 / 0)

    def __subclasscheck__(self, other):
        return True

    def __instancecheck__(self, other):
        return True


class Unnamed(Exception, metaclass=Meta):
    pass


class Lost(Exception):
    def __getattribute__(self, name):
        return Lost


class Named(Exception):
    __module__, __qualname__ = "builtins", "KeyError"


Named.__name__ = "Lookup\u202eError"


def surrogates():
    raise ValueError("\ud800" * 10)


def long():
    raise type("X" * 10**6, (ValueError,), {})("x" * 10**7)


def nul():
    raise type("A\x1b[31m\u202eB", (ValueError,), {})("\0\x1b[31m")


def circle():
    error = ValueError()
    error.__cause__ = error.__context__ = error
    raise error


def group():
    raise ExceptionGroup("x", [KeyError(at) for at in range(10**4)])


def unnamed():
    raise Unnamed


def lost():
    raise Lost


def named():
    raise Named


def stop():
    raise StopIteration("KeyError")
