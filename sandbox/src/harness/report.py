"""The record of a test: a nonce, a tag and a body, on a pipe of its own.

Before the program starts, b"R" says that everything of ours went well: what goes wrong later is the program's doing. Nothing here
knows what the test expects, so there is nothing to find by walking frames or memory.
"""

RESULT = 200  # where the result pipe lives, out of the way of small numbers
MAX_MESSAGE = 2_000
MAX_CODE = 48_000
os_exit, os_getpid, os_write = os._exit, os.getpid, os.write
# Read from the types themselves: neither a metaclass nor an attribute of the same name is asked.
bases_of, mro_of, name_of = (type.__dict__[name].__get__ for name in ("__bases__", "__mro__", "__name__"))
subclasses_of = type.__subclasses__


def exception_classes():
    """Every exception class that there is, by identity: the class itself and its key, `module.qualname`."""
    found, left = {}, [BaseException]
    while left:
        kind = left.pop()
        if id(kind) not in found:
            found[id(kind)] = (kind, f"{kind.__module__}.{kind.__qualname__}")
            left += subclasses_of(kind)
    return found


# Made in the zygote, where no program has been.
KNOWN_CLASSES = exception_classes()


class Report:
    """The result pipe. Only the process that was forked for the test writes to it."""

    def __init__(self, nonce):
        self.nonce = nonce.encode()
        self.pid = os_getpid()
        self.known = KNOWN_CLASSES

    def ready(self):
        """From here on, what goes wrong is the program's doing."""
        os_write(RESULT, b"R")

    def keep(self, code):
        """Writes the program's code, before anything of it runs. What would not fit into the pipe is not worth waiting for."""
        if len(code) <= MAX_CODE:
            os_write(RESULT, b"K%d:%s" % (len(code), code))

    def send(self, tag, *parts, status=0):
        """Writes the record and ends the process with the status that an interpreter would. One that the program forked has no record."""
        if os_getpid() != self.pid:
            os_exit(status)
        record = b"".join((self.nonce, tag, *parts))
        try:
            while record:
                record = record[os_write(RESULT, record):]
        except OSError:
            pass
        os_exit(status)

    def failure(self, error, stage="run"):
        """Sends how the program failed, where, and what kind of exception it was: one class, whatever it derives from."""
        kind = type(error)
        if issubclass(kind, MemoryError):
            self.send(b"M", status=1)
        try:
            known = class_of(kind, self.known)
        except BaseException:
            known = ""
        try:
            message = str(error)[:MAX_MESSAGE]
        except BaseException:
            message = ""
        own = "" if id(kind) in self.known else name_of(kind)
        code = exit_code(error)
        self.send(b"E", *encode([stage, known, own, message, code]), status=code & 0xFF)


def class_of(kind, known):
    """Key of the one class, of those that were there before the program, that an exception of this class counts as.

    A class of the program's own counts as what it derives from; one that derives from several exceptions counts as the
    nearest that all of them have in common, so that no class is of two minds.
    """
    if id(kind) in known:
        return known[id(kind)][1]
    bases = [base for base in bases_of(kind) if BaseException in mro_of(base)]
    while len(bases) == 1:
        if id(bases[0]) in known:
            return known[id(bases[0])][1]
        bases = [base for base in bases_of(bases[0]) if BaseException in mro_of(base)]
    lines = []
    for base in bases:
        while id(base) not in known:
            base = next(above for above in bases_of(base) if BaseException in mro_of(above))
        lines.append(mro_of(base))
    first, *others = lines
    return next(known[id(above)][1] for above in first if all(above in line for line in others) and id(above) in known)


def exit_code(error):
    """The exit status that an exception means."""
    # By the real type: an object may say that it is of another.
    if issubclass(type(error), KeyboardInterrupt):
        # An interpreter ends itself by this signal.
        return -2
    if not issubclass(type(error), SystemExit):
        return 1
    code = error.code
    if code is None:
        return 0
    if not issubclass(type(code), int):
        return 1
    # As C reads it: what does not fit into a long is -1.
    return int.__and__(code, 0xFF) if int.bit_length(code) < 64 else 0xFF
