import gc


class Trap:
    def __del__(self):
        for item in gc.get_objects():
            if type(item) is list and len(item) == 2 and item[0] == "call":
                item[:] = ["call", "builtins.ValueError"]


def collect(phase, info):
    raise ValueError()


gc.callbacks.append(collect)
gc.set_threshold(1, 1, 1)
trap = Trap()
trap.own = trap


def f(x):
    global trap
    trap = None
    return [[] for _ in range(100)]
