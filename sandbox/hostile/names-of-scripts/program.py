names = [name for name in dir() if name != "__annotations__"]
usual = "__builtins__ __cached__ __doc__ __file__ __loader__ __name__ __package__ __spec__".split()
print(names == usual, __name__, __doc__, __package__, __spec__)
import sys

print(type(__loader__).__name__, sys.orig_argv[-1], __loader__.get_filename("__main__") == __file__)
del sys.stdout
