"""The kinds of work, and what is done for each before the program is looked at."""


SourceFileLoader = importlib.machinery.SourceFileLoader
HAS_ANNOTATIONS = sys.version_info < (3, 14)


class TaskError(Exception):
    """Something of the task's own is broken; says which field."""


def of_task(field, do):
    """Does something of the task's; names the field where it fails."""
    try:
        return do()
    except BaseException as error:
        raise TaskError(f"{field}: {traceback.format_exception_only(type(error), error)[-1].strip()}") from None


def prepare(job, report, code):
    """Everything that is done before the program is looked at; returns what is left to do."""
    mode = job["mode"]
    if mode == "compile":
        return lambda report: compile_only(report, job["program"])
    main = types.ModuleType("__main__" if mode in ("script", "setup") else "solution")
    space = main.__dict__
    if mode == "script" and HAS_ANNOTATIONS:
        space["__annotations__"] = {}
    space["__builtins__"] = builtins
    sys.modules[main.__name__] = main
    sys.modules["__main__"] = main
    if mode in ("script", "call"):
        space["__file__"] = sys.argv[0] = save(job["program"], main.__name__)
    if mode == "script":
        space["__cached__"] = None
        space["__loader__"] = SourceFileLoader(main.__name__, sys.argv[0])
    if job.get("prelude"):
        of_task("setup.prelude", lambda: exec(compile(job["prelude"], "<prelude>", "exec", dont_inherit=True), space))
    if mode == "eval":
        return lambda report: evaluate(report, job["sources"], space)
    if mode == "classes":
        return lambda report: classes(report, space)
    if mode == "call":
        # What processes that are spawned import to find the program's functions.
        sys.path.append(os.path.dirname(space["__file__"]))
        beside = dict(space)
        args = [of_task(f"args[{at}]", lambda part=part: argument(part, beside)) for at, part in enumerate(job["args"])]
        kwargs = {
            name: of_task(f"kwargs.{name}", lambda part=part: argument(part, beside)) for name, part in job["kwargs"].items()
        }
        if job.get("prelude"):
            report.known = exception_classes()
        entry = Entry(job["entry"], space)
        return lambda report: call(report, Program(job["program"], code, job["keep_code"]), entry, args, kwargs, space)
    if job.get("hide_prompts"):
        builtins.input = silent_input
    if job.get("watch"):
        watched = WatchedReport(job["nonce"], of_task("kind sql_injection", watch))
        return lambda report: script(watched, Program(job["program"], code), job["fetch"], space)
    if mode == "setup":
        return lambda report: set_up(report, Program(job["program"]), job["capture_bytes"], space)
    return lambda report: script(report, Program(job["program"], code, job["keep_code"]), job["fetch"], space)


def classes(report, space):
    """The order of exception classes: key, name and ancestors of each, and what names the prelude binds."""
    report.ready()
    known = exception_classes()
    rows = [
        [key, kind.__name__, [known[id(base)][1] for base in kind.__mro__ if id(base) in known]]
        for kind, key in known.values()
    ]
    bound = [[name, known[id(value)][1]] for name, value in space.items() if id(value) in known]
    report.send(b"V", *encode([rows, bound]))


def evaluate(report, sources, space):
    """Values of the task's own expressions (expected values)."""
    report.ready()
    try:
        values = [eval(compile(source.strip(), "<expected>", "eval", dont_inherit=True), dict(space)) for source in sources]
        parts = encode(values)
    except TooLarge:
        report.send(b"L")
    except BaseException as error:
        report.failure(error)
    report.send(b"V", *parts)


def set_up(report, program, capture_bytes, space):
    """Runs the set-up and sends the files that it left."""
    error = None
    try:
        run_program(report, program, space)
    except BaseException as raised:
        error = raised
    fail_or_go_on(report, error, program, space)
    try:
        bundle = pack(None, capture_bytes)
    except TooLarge:
        report.send(b"L")
    except BaseException as error:
        report.failure(error)
    report.send(b"B", bundle)
