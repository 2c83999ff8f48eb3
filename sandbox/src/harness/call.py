"""A call of a program's entry point: what comes back, or where it failed."""

OURS = ("<entry>", "<prelude>")  # code of the task, between the call and the program
HEAP_TYPE = 1 << 9
set_trace, set_profile = sys.settrace, sys.setprofile
flags_of = type.__dict__["__flags__"].__get__
traceback_of = BaseException.__dict__["__traceback__"].__get__
BuiltinFunction = types.BuiltinFunctionType


class Entry:
    """The expression that gives the callable, and the name that the program has to define for it."""

    def __init__(self, source, space):
        self.source = source.strip()
        name = self.source.partition("(")[0].partition(".")[0].strip()
        self.name = name if name.isidentifier() and not keyword.iskeyword(name) else None
        # What the prelude imports is not the program's work; what the prelude defines may be a driver of the task's own.
        given = space.get(self.name)
        if isinstance(given, (type, types.FunctionType, BuiltinFunction)) and given.__module__ != space["__name__"]:
            del space[self.name]

    def find(self, space):
        """The callable. A builtin of the same name is not the program's work either."""
        if self.name is not None and self.name not in space:
            raise NameError(f"name {self.name!r} is not defined")
        return eval(compile(self.source, "<entry>", "eval", dont_inherit=True), space)


def call(report, program, entry, args, kwargs, space):
    """Executes the program, calls its entry point and reports the returned value, or where it failed."""
    stage = "import"
    try:
        run_program(report, program, space)
        stage = "entry"
        target = entry.find(space)
        stage = "call"
        # Tracers can write to the names of their callers: until both are off, the value has none.
        value, _, _ = target(*args, **kwargs), set_trace(None), set_profile(None)
        stage = "value"
        parts = encode(value)
    except TooLarge:
        report.send(b"L")
    except BaseException as error:
        set_trace(None)
        set_profile(None)
        show(error, program)
        if stage == "call" and not comes_from_within(error, target):
            stage = "entry"
        report.failure(error, stage)
    report.send(b"V", *parts)


def comes_from_within(error, target):
    """Whether an exception came out of what was called, and not out of calling it: wrong arguments, no such name."""
    trace = traceback_of(error)
    while trace is not None and (trace.tb_frame.f_code is CALL_CODE or trace.tb_frame.f_code.co_filename in OURS):
        trace = trace.tb_next
    if trace is not None or type(error) not in (AttributeError, NameError, TypeError):
        return True
    # What is written in C has no frames.
    kind = type(target)
    return kind is BuiltinFunction or kind is type and not flags_of(target) & HEAP_TYPE


CALL_CODE = call.__code__
