import builtins
import sys

right = '42'
sys.modules.clear()
for name in list(vars(builtins)):
    if name not in ('__build_class__', 'list', 'vars'):
        vars(builtins).pop(name, None)


def answer():
    return 7
