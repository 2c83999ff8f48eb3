import ctypes
import types


def f(x):
    return 0


# The type of all functions, of the number 0, and of None: what asks a value for its type gets another.
for victim in (0, None, f):
    address = ctypes.c_void_p.from_address(id(victim) + ctypes.sizeof(ctypes.c_ssize_t))
    held = address.value
    address.value = id(types.SimpleNamespace)
    address.value = held
ctypes.c_ssize_t.from_address(id(0)).value = 1
