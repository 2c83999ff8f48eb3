def named(name):
    kind = type(name, (Exception,), {"__module__": "builtins", "__qualname__": name})
    return kind(name)


def value():
    raise named("ValueError")


def key():
    raise named("KeyError")


def qualified():
    raise named("builtins.TypeError")


class NameOnly(Exception):
    pass


NameOnly.__name__ = NameOnly.__qualname__ = "IndexError"
NameOnly.__module__ = "builtins"


def renamed():
    raise NameOnly
