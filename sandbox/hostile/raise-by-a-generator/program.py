def answer():
    raise ValueError
    yield


async def later():
    raise ValueError


def wait():
    return later()


def steps():
    return map(int, ["x"])
