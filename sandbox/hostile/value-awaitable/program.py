class Later:
    def __await__(self):
        yield
        return 42

    __index__ = __int__ = __float__ = __complex__ = lambda self: 42
    __bool__ = lambda self: True


async def coroutine():
    return 42


def f(x):
    return [Later(), coroutine(), Later, f][x]
