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


def give_name(name, use):
    """A function of `os` that knows the streams by name."""
    original = getattr(os, name)

    @functools.wraps(original)
    def do(path, *values, **named):
        number = STREAMS.get(path) if type(path) is str else None
        return original(path, *values, **named) if number is None else use(number)

    setattr(os, name, do)
    for known in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
        if original in known:
            known.add(do)


give_name("open", os.dup)
give_name("stat", os.fstat)
give_name("access", lambda number: True)
# The machine's would tell of others.
os.getloadavg = lambda: (0.0, 0.0, 0.0)
