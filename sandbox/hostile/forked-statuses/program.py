import os
import sys


def status(end):
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        end()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def hook_that_leaves():
    sys.excepthook = lambda *error: sys.exit(3)
    raise KeyError


ends = [lambda code=code: sys.exit(code) for code in (0, 1, 7, "why", None)]
print(*[status(end) for end in (*ends, lambda: 1 / 0, hook_that_leaves)])
