"""The standard streams by name. Elsewhere `/dev/stdin` is a link into `/proc`, which no test sees: who opens it here gets the descriptor."""

import _io
import builtins
import functools
import io
import os

STREAMS = {
    name: number
    for number, stream in enumerate(("stdin", "stdout", "stderr"))
    for name in (f"/dev/{stream}", f"/dev/fd/{number}", f"/proc/self/fd/{number}")
}


@functools.wraps(_io.open)
def open_by_name(file, *values, **named):
    name = os.fspath(file) if hasattr(file, "__fspath__") else file
    if type(name) is str and name in STREAMS:
        file = os.dup(STREAMS[name])
    return _io.open(file, *values, **named)


io.open = builtins.open = open_by_name
