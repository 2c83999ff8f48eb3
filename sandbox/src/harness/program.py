"""A program: compiled, executed, ended as an interpreter would end it."""

dump_code, load_code = marshal.dumps, marshal.loads
set_signal, send_signal = signal.signal, os.kill
format_exception = traceback.format_exception
run_exit_functions, count_exit_functions = atexit._run_exitfuncs, atexit._ncallbacks
wait_for_threads, count_threads, late_calls = threading._shutdown, _thread._count, threading._threading_atexits
# The only exit function of what is preloaded; it is run last, and only where there is a handler.
close_logs, log_handlers = logging.shutdown, logging._handlerList
atexit.unregister(close_logs)
# Of those that a coding line may name: a byte below 128 is that character, whatever comes before it.
PLAIN_ENCODINGS = ("utf-8", "ascii", "iso8859-", "cp125", "koi8-")
EXIT_FUNCTIONS, LOG_HANDLERS = count_exit_functions(), len(log_handlers)
# What a source has to name for its objects to do something at their end that can be seen. To take them apart costs a fork its pages.
FINAL_WORDS = ("__del__", "open", "Writer", "Wrapper", "__stdout__", "finally")
collect_cycles = gc.collect
default_hook = sys.excepthook
# What C libraries keep for standard output. Where no program loads them it would only wait for threads that read.
flush_c = libc.fflush
# Frames that lie below a program's own, as the interpreter counts them.
FRAMES_BELOW = 7
MAX_DEPTH = (1 << 31) - 1
get_depth, set_depth = sys.getrecursionlimit, sys.setrecursionlimit


@functools.wraps(get_depth)
def own_depth():
    return get_depth() - FRAMES_BELOW


@functools.wraps(set_depth)
def set_own_depth(limit, /):
    limit = operator.index(limit)
    set_depth(min(limit + FRAMES_BELOW, MAX_DEPTH) if 0 < limit <= MAX_DEPTH else limit)


set_own_depth(get_depth())
sys.getrecursionlimit, sys.setrecursionlimit = own_depth, set_own_depth


def fresh_stderr():
    """Standard error on a pipe: that of the service may be a file, and the interpreter remembers that it could seek in it."""
    kept = os.dup(2)
    os.dup2(1, 2)
    raw = io.FileIO(2, "w", closefd=False)
    raw.name = "<stderr>"
    stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", "\n", line_buffering=True)
    stream.mode = "w"
    os.dup2(kept, 2)
    os.close(kept)
    return stream


sys.stderr = sys.__stderr__ = fresh_stderr()
own_streams = (sys.stdout, sys.stderr)


class Program(str):
    """Source of a program, with its code where it was compiled before."""

    def __new__(cls, source, code=b"", keep=False):
        program = super().__new__(cls, source)
        program.code, program.keep = code, keep
        return program

    def compile(self):
        """As from a file: a byte order mark is skipped and a coding line obeyed."""
        if self.code:
            return load_code(self.code)
        source = str.encode(self, "utf-8")
        if "coding" in self:
            check_encoding(source)
        return compile(source, "main.py", "exec", dont_inherit=True)


def check_encoding(source):
    """Refuses a coding line under which another program would run than the one that everybody reads."""
    lines = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    name, _ = tokenize.detect_encoding(io.BytesIO(lines).readline)
    if not codecs.lookup(name).name.startswith(PLAIN_ENCODINGS):
        raise SyntaxError(f"encoding {name!r} is not allowed: it reads the program as another one")


def save(program, name):
    """The program as a file, where there is none of this name; its path.

    What the program starts of itself (`multiprocessing`, `sys.executable` with `__file__`) reads it. A script lies in the
    working directory, as people run it. A module that is called lies elsewhere: functions list that directory, and tests
    expect what the set-up put there and nothing else.
    """
    path = f"{home}/main.py" if name == "__main__" else f"{os.environ['TMPDIR']}/{name}.py"
    try:
        descriptor = make_file(path, NEW_FILE, 0o644)
    except FileExistsError:
        return path
    write_new(descriptor, program.encode("utf-8", "surrogatepass"))
    return path


def silent_input(prompt="", /):
    """`input` without its prompt, which is for people and not output."""
    str(prompt)
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line[:-1] if line.endswith("\n") else line


silent_input.__name__ = silent_input.__qualname__ = "input"


def compile_only(report, program):
    """Sends the program's code."""
    report.ready()
    code = compiled(report, Program(program))
    report.send(b"B", dump_code(code))


def run_program(report, program, space):
    """Compiles and executes the program; a program that does not compile ends the test."""
    report.ready()
    exec(compiled(report, program), space)


def compiled(report, program):
    """The program's code, which other tests may want; one that does not compile ends the test."""
    try:
        code = program.compile()
        if program.keep:
            report.keep(dump_code(code))
        return code
    except (SyntaxError, ValueError) as error:
        show(error, program)
        report.send(b"S", *encode(str(error)[:MAX_MESSAGE]), status=1)
    except (MemoryError, RecursionError) as error:
        show(error, program)
        report.send(b"S", *encode(f"{type(error).__name__} while compiling"), status=1)


def script(report, program, fetch, space):
    """Runs the program as `python main.py` would."""
    error = None
    try:
        run_program(report, program, space)
    except BaseException as raised:
        error = raised
    if fetch:
        # Files are wanted whatever became of the program; its exit status says what.
        late = finish(error, program, space)
        written = flush()
        status = exit_code(late) if late is not None else 0 if written else 120
        if status < 0:
            set_signal(signal.SIGINT, signal.SIG_DFL)
            send_signal(os_getpid(), signal.SIGINT)
        report.send(b"B", pack(fetch, MAX_BYTES), status=status)
    fail_or_go_on(report, error, program, space)
    report.send(b"D", status=0 if flush() else 120)


def fail_or_go_on(report, error, program, space):
    """Ends the program; one that failed is reported."""
    failed = finish(error, program, space)
    if failed is not None:
        flush()
        report.failure(failed)


def finish(error, program, space):
    """What an interpreter does at its end: threads, exit functions, the traceback, the module's names. Returns what it failed with."""
    left = issubclass(type(error), SystemExit)
    try:
        if error is not None and not left:
            tell(error, program)
    except BaseException as late:
        if issubclass(type(late), SystemExit):
            error, left = late, True
        else:
            show(late, program)
    try:
        if left and error.code is not None and not issubclass(type(error.code), int):
            print(error.code, file=sys.stderr)
    except BaseException as late:
        show(late, program)
    try:
        if count_threads() or late_calls:
            wait_for_threads()
        if count_exit_functions() > EXIT_FUNCTIONS:
            run_exit_functions()
        if len(log_handlers) > LOG_HANDLERS:
            close_logs()
        if any(word in program for word in FINAL_WORDS):
            flush()
            forget(error, space)
    except BaseException as late:
        show(late, program)
    if "ctypes" in program:
        flush()
        flush_c(None)
    return None if left and exit_code(error) == 0 else error


def forget(error, space):
    """Lets go of what the program holds, so that finalisers run and files are written. They find modules, functions and classes."""
    if issubclass(type(error), SystemExit):
        error.__traceback__ = error.__context__ = error.__cause__ = None
    collect_cycles()
    # One after the other, in the interpreter's order: what starts with one underscore first.
    names = [name for name in space if issubclass(type(name), str)]
    for private in (True, False):
        for name in names:
            if (name[:1] == "_" and name[1:2] != "_") is private:
                value = space.get(name)
                if not issubclass(type(value), (type, types.ModuleType, types.FunctionType)):
                    value = space[name] = None
    collect_cycles()


def tell(error, program):
    """Hands an exception that nobody caught to the program's hook, where it has one."""
    hook = getattr(sys, "excepthook", default_hook)
    if hook is default_hook:
        show(error, program)
    else:
        hook(type(error), error, own_part(error))


def own_part(error):
    """The traceback without our own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != "main.py":
        trace = trace.tb_next
    return trace


def show(error, program):
    """Prints the traceback as an interpreter would."""
    try:
        linecache.cache["main.py"] = (len(program), None, program.splitlines(True), "main.py")
        sys.stderr.write("".join(format_exception(type(error), error, own_part(error))))
        sys.stderr.flush()
    except BaseException:
        pass


def flush():
    """Output that is still buffered; says whether it could be written. What has no `closed` is flushed, as an interpreter has it."""
    written = True
    # A program may have taken them away, and ours to pieces.
    current = (getattr(sys, "stdout", None), getattr(sys, "stderr", None))
    for stream in (*current, *own_streams):
        try:
            closed = stream is None or stream.closed
        except BaseException:
            closed = False
        try:
            if not closed:
                stream.flush()
        except BaseException:
            if any(stream is one for one in current):
                written = False
    return written
