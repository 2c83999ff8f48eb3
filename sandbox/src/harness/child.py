"""Child: runs one test in a fresh process, then reports.

The report goes to a pipe of its own. Before the program starts, b"R" says that everything of ours went well: what
goes wrong later is the program's doing. The record after it is the test's nonce, a tag and a body in a closed encoding
(see `encode`). Nothing here knows what the test expects, so there is nothing to find by walking frames or memory.

Every name used after the program has run is bound at import: patched builtins do not reach it.
"""

import atexit
import binascii
import builtins
import decimal
import keyword
import linecache
import marshal
import resource
import stat
import threading
import traceback
import types
from builtins import (
    AttributeError, BaseException, EOFError, Exception, FileExistsError, KeyboardInterrupt, MemoryError, NameError, OSError,
    SyntaxError, SystemExit, TypeError, ValueError, all, bool, bytearray, bytes, compile, complex, dict, eval, exec, float,
    frozenset, id, int, isinstance, issubclass, len, list, max, memoryview, next, open, print, range, repr, reversed, set,
    sorted, str, tuple, type,
)

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
MS_NOSUID_NODEV = 2 | 4
SYS_LANDLOCK_RESTRICT_SELF = 446
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
home = ""  # the working directory that a test starts in
RESULT = 200  # where the result pipe lives, out of the way of small numbers
MAX_NODES = 2_000_000
MAX_BYTES = 32 << 20
MAX_BITS = MAX_BYTES * 8 + 7
MAX_MESSAGE = 2_000
OURS = ("<entry>", "<prelude>")  # code of the task, between the call and the program

os_exit, os_getpid, os_write = os._exit, os.getpid, os.write
dump_code, load_code = marshal.dumps, marshal.loads
set_trace, set_profile = sys.settrace, sys.setprofile
set_signal, send_signal = signal.signal, os.kill
format_exception, run_exit_functions = traceback.format_exception, atexit._run_exitfuncs
wait_for_threads, set_digits = threading._shutdown, getattr(sys, "set_int_max_str_digits", None)
numpy = sys.modules.get("numpy")
ndarray, numpy_scalar = (numpy.ndarray, numpy.generic) if numpy else ((), ())
Decimal, BuiltinFunction = decimal.Decimal, types.BuiltinFunctionType
# Read from the types themselves: neither a metaclass nor an attribute of the same name is asked.
bases_of, mro_of, name_of = (type.__dict__[name].__get__ for name in ("__bases__", "__mro__", "__name__"))
flags_of, subclasses_of = type.__dict__["__flags__"].__get__, type.__subclasses__
traceback_of = BaseException.__dict__["__traceback__"].__get__
HEAP_TYPE = 1 << 9


class TooLarge(Exception):
    """A value is too large to be compared."""


class TaskError(Exception):
    """Something of the task's own is broken; says which field."""


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


class SockFilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def run_child(config, descriptors):
    """Isolates this process, then runs the job. Does not return."""
    job_fd, stdin_fd, stdout_fd, stderr_fd, result_fd, *more = descriptors
    for source, target in ((stdin_fd, 0), (stdout_fd, 1), (stderr_fd, 2), (result_fd, RESULT)):
        os.dup2(source, target, inheritable=target < 3)
    try:
        job = json.loads(read_all(job_fd))
        files = read_all(more.pop(0)) if job["files"] else b""
        code = read_all(more.pop(0)) if job["code"] else b""
        isolate(config, job, files)
        report = Report(job["nonce"])
    except BaseException as error:  # everything until here is ours
        os.write(RESULT, b"F" + "".join(traceback.format_exception_only(type(error), error)).encode()[:MAX_MESSAGE])
        os._exit(0)
    try:
        os.write(RESULT, b"P")
        work = prepare(job, report, code)
    except BaseException as error:  # and from there until `ready` it is the task's
        os.write(RESULT, "".join(traceback.format_exception_only(type(error), error)).encode()[:MAX_MESSAGE])
        os._exit(0)
    gc.enable()
    try:
        work(report)
    finally:
        os_exit(1)


def read_all(descriptor):
    """Content of a memory file that the parent filled."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = b""
    while len(content) < size:
        content += os.read(descriptor, size - len(content))
    return content


def isolate(config, job, files):
    """The layers that differ from test to test; the zygote already lives under the others."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    box, limits = config["box"], job["limits"]
    os.chdir("/")
    if config["namespaces"]:
        check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
        options = f"size={limits['disk']},nr_inodes={limits['files']},mode=0700".encode()
        check(libc.mount(b"tmpfs", box.encode(), b"tmpfs", MS_NOSUID_NODEV, options), "mount")
    for name in ("work", "tmp", "shm"):
        os.mkdir(f"{box}/{name}", 0o700)
    global home
    home = f"{box}/work"
    os.chdir(home)
    # Not in the zygote: it must never import what a test has written.
    sys.path.insert(0, home)
    unpack(files)
    if config["drop_capabilities"]:
        drop_capabilities()
    if config["scope_fd"] is not None:
        check(libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, config["scope_fd"], 0), "landlock_restrict_self")
    os.closerange(3, RESULT)
    os.closerange(RESULT + 1, 1024)
    # `random` seeds itself after a fork; numpy costs too much for programs that do not use it.
    if numpy and ("numpy" in job.get("program", "") or "numpy" in (job.get("prelude") or "") or b"numpy" in files):
        numpy.random.seed()
    for name, value in limits["rlimits"]:
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
    for program in config["filters"]:
        if config["signal_pid_placeholder"]:
            placeholder, own = (pid.to_bytes(4, sys.byteorder) for pid in (config["signal_pid_placeholder"], os_getpid()))
            program = program.replace(placeholder, own)
        instructions = ctypes.create_string_buffer(program, len(program))
        header = SockFilterProgram(len(program) // 8, ctypes.cast(instructions, ctypes.c_void_p))
        check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0), "seccomp")


def drop_capabilities():
    """Empties all capability sets; with no_new_privs they cannot come back."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    check(libc.syscall(SYS_CAPSET[os.uname().machine], header, sets), "capset")


def unpack(bundle):
    """Writes the set-up's files into the working directory: `kind mode path-length content-length path content`."""
    at = 0
    while at < len(bundle):
        kind, mode, path_length, length = bundle[at:bundle.index(b"\n", at)].split()
        at = bundle.index(b"\n", at) + 1
        path = bundle[at:at + int(path_length)]
        at += int(path_length)
        if kind == b"d":
            os.makedirs(path, exist_ok=True)
            continue
        parent = os.path.dirname(path)
        if parent:
            os.makedirs(parent, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(path, flags, int(mode, 8)), "wb") as file:
            file.write(bundle[at:at + int(length)])
        at += int(length)


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
    space["__builtins__"] = builtins
    sys.modules[main.__name__] = main
    sys.modules["__main__"] = main
    if mode in ("script", "call"):
        space["__file__"] = sys.argv[0] = save(job["program"], main.__name__)
    if job.get("prelude"):
        of_task("setup.prelude", lambda: exec(compile(job["prelude"], "<prelude>", "exec", dont_inherit=True), space))
    if mode == "eval":
        return lambda report: evaluate(report, job["sources"], space)
    if mode == "classes":
        return lambda report: classes(report, space)
    if mode == "call":
        beside = dict(space)
        args = [of_task(f"args[{at}]", lambda part=part: argument(part, beside)) for at, part in enumerate(job["args"])]
        kwargs = {
            name: of_task(f"kwargs.{name}", lambda part=part: argument(part, beside)) for name, part in job["kwargs"].items()
        }
        if job.get("prelude"):
            report.known = exception_classes()
        entry = Entry(job["entry"], space)
        return lambda report: call(report, Program(job["program"], code), entry, args, kwargs, space)
    if job.get("hide_prompts"):
        builtins.input = silent_input
    if mode == "setup":
        return lambda report: set_up(report, Program(job["program"]), job["capture_bytes"], space)
    return lambda report: script(report, Program(job["program"], code), job["fetch"], space)


def save(program, name):
    """The program as a file of the working directory, where there is none of this name; its path.

    What the program starts of itself (`multiprocessing`, `sys.executable` with `__file__`) reads it.
    """
    path = os.path.join(os.getcwd(), "main.py" if name == "__main__" else f"{name}.py")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return path
    with open(descriptor, "wb") as file:
        file.write(program.encode("utf-8", "surrogatepass"))
    return path


class Program(str):
    """Source of a program, with its code where it was compiled before."""

    def __new__(cls, source, code=b""):
        program = super().__new__(cls, source)
        program.code = code
        return program

    def compile(self):
        """As from a file: a byte order mark is skipped and a coding line obeyed."""
        if self.code:
            return load_code(self.code)
        return compile(str.encode(self, "utf-8"), "main.py", "exec", dont_inherit=True)


def compile_only(report, program):
    """Sends the program's code."""
    report.ready()
    code = compiled(report, Program(program))
    report.send(b"B", dump_code(code))


def silent_input(prompt="", /):
    """`input` without its prompt, which is for people and not output."""
    str(prompt)
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line[:-1] if line.endswith("\n") else line


def argument(part, space):
    """An argument: source text is evaluated beside the program, data is decoded."""
    if "source" in part:
        return eval(compile(part["source"].strip(), "<argument>", "eval", dont_inherit=True), space)
    return decode(part["value"])


def decode(value):
    """A Python value from the wire's closed encoding."""
    tag, content = value["t"], value.get("v")
    if tag == "none":
        return None
    if tag in ("bool", "str"):
        return content
    if tag == "int":
        return int(content)
    if tag == "float":
        return float(content)
    if tag == "decimal":
        return Decimal(content)
    if tag == "complex":
        return complex(float(content[0]), float(content[1]))
    if tag == "bytes":
        return binascii.a2b_base64(content)
    if tag == "list":
        return [decode(part) for part in content]
    if tag == "tuple":
        return tuple([decode(part) for part in content])
    if tag == "set":
        return {decode(part) for part in content}
    if tag == "dict":
        return {decode(key): decode(part) for key, part in content}
    raise ValueError(f"an argument cannot be of kind {tag!r}; give it as source")


class Report:
    """The result pipe. Only the process that was forked for the test writes to it."""

    def __init__(self, nonce):
        self.nonce = nonce.encode()
        self.pid = os_getpid()
        self.known = KNOWN_CLASSES

    def ready(self):
        """From here on, what goes wrong is the program's doing."""
        os_write(RESULT, b"R")

    def send(self, tag, *parts, status=0):
        """Writes the record and ends the process with the status that an interpreter would."""
        if os_getpid() != self.pid:
            os_exit(0)
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


def run_program(report, program, space):
    """Compiles and executes the program; a program that does not compile ends the test."""
    report.ready()
    exec(compiled(report, program), space)


def compiled(report, program):
    """The program's code; one that does not compile ends the test."""
    try:
        return program.compile()
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
        late = finish(error, program)
        written = flush()
        status = exit_code(late) if late is not None else 0 if written else 120
        if status < 0:
            set_signal(signal.SIGINT, signal.SIG_DFL)
            send_signal(os_getpid(), signal.SIGINT)
        report.send(b"B", pack(fetch, MAX_BYTES), status=status)
    fail_or_go_on(report, error, program)
    report.send(b"D", status=0 if flush() else 120)


def fail_or_go_on(report, error, program):
    """Ends the program; one that failed is reported."""
    failed = finish(error, program)
    if failed is not None:
        flush()
        report.failure(failed)


def finish(error, program):
    """What an interpreter does at its end: threads, exit functions, the traceback. Returns what it failed with."""
    if error is not None and type(error) is not SystemExit:
        show(error, program)
    elif error is not None and error.code is not None and not issubclass(type(error.code), int):
        print(error.code, file=sys.stderr)
    try:
        wait_for_threads()
        run_exit_functions()
    except BaseException as late:
        show(late, program)
    return None if type(error) is SystemExit and exit_code(error) == 0 else error


def exit_code(error):
    """The exit status that an exception means."""
    if isinstance(error, KeyboardInterrupt):
        # An interpreter ends itself by this signal.
        return -2
    if not isinstance(error, SystemExit):
        return 1
    code = error.code
    if code is None:
        return 0
    if not issubclass(type(code), int):
        return 1
    # As C reads it: what does not fit into a long is -1.
    return int.__and__(code, 0xFF) if int.bit_length(code) < 64 else 0xFF


def show(error, program):
    """Prints the traceback as an interpreter would, without our own frames."""
    try:
        linecache.cache["main.py"] = (len(program), None, program.splitlines(True), "main.py")
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != "main.py":
            trace = trace.tb_next
        sys.stderr.write("".join(format_exception(type(error), error, trace)))
        sys.stderr.flush()
    except BaseException:
        pass


def flush():
    """Output that is still buffered; says whether it could be written."""
    written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException:
            written = False
    return written


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
    fail_or_go_on(report, error, program)
    try:
        bundle = pack(None, capture_bytes)
    except TooLarge:
        report.send(b"L")
    except BaseException as error:
        report.failure(error)
    report.send(b"B", bundle)


def pack(only, limit):
    """Regular files and directories below the working directory, or just those asked for; links are not followed."""
    pieces, total = [], 0

    def add(kind, path, mode, content):
        nonlocal total
        name = os.fsencode(path)
        total += len(name) + len(content) + 32
        fits(total, limit)
        pieces.extend((b"%s %o %d %d\n" % (kind, mode, len(name), len(content)), name, content))

    def below(path):
        """Opens a file step by step: no part of the way is a link, or leads up."""
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        *way, name = [part for part in path.split("/") if part != "."]
        if ".." in (*way, name):
            raise OSError("leads out of the working directory")
        for part in way:
            above, folder = folder, os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(above)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        os.close(folder)
        return descriptor

    def read(path):
        descriptor = below(path)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                raise TooLarge if stat.S_ISREG(status.st_mode) else OSError("not a regular file")
            return status.st_mode & 0o777, file.read()

    try:
        os.chdir(home)
    except OSError:
        return b""
    if only is not None:
        for path in only:
            try:
                add(b"f", path, *read(path))
            except (OSError, ValueError, TooLarge):
                pass
        return b"".join(pieces)
    for folder, directories, files in os.walk(".", followlinks=False):
        for name in sorted(directories):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                add(b"d", path[2:], 0o700, b"")
        for name in sorted(files):
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                add(b"f", path[2:], *read(path))
    return b"".join(pieces)


def encode(value):
    """The closed encoding, in prefix order: a tag, a length, then the content or as many values.

    Types are asked of the object's real type, never of its `__class__`; numbers, strings and containers are read by the
    builtin types' own methods, so a subclass cannot lie about what it holds. Anything else is its type's name and repr.
    Sizes are looked at before anything is copied: a copy of what is too large would run out of memory instead.
    """
    if set_digits:
        set_digits(0)
    pieces, stack, nodes, total = [], [value], 0, 0
    while stack:
        item = stack.pop()
        kind = type(item)
        nodes += 1
        if nodes > MAX_NODES or total > MAX_BYTES:
            raise TooLarge
        children = None
        if item is None:
            piece = b"n"
        elif kind is bool:
            piece = b"t" if item else b"f"
        elif kind is _Named:
            piece = b"o"
            children = (item.name, item.text)
        elif issubclass(kind, int):
            if int.bit_length(item) > MAX_BITS:
                raise TooLarge
            text = b"%d" % int.__int__(item)
            piece = b"i%d:%s" % (len(text), text)
        elif issubclass(kind, float) and not (numpy and issubclass(kind, numpy_scalar)):
            text = float.__repr__(item).encode()
            piece = b"d%d:%s" % (len(text), text)
        elif issubclass(kind, str) and not (numpy and issubclass(kind, numpy_scalar)):
            if str.__len__(item) > MAX_BYTES:
                raise TooLarge
            text = str.encode(item, "utf-8", "surrogatepass")
            piece = b"s%d:%s" % (len(text), text)
        elif issubclass(kind, list):
            fits(list.__len__(item), MAX_NODES)
            children = [*list.__iter__(item)]
            piece = b"l%d:" % len(children)
        elif issubclass(kind, tuple):
            fits(tuple.__len__(item), MAX_NODES)
            children = [*tuple.__iter__(item)]
            piece = b"u%d:" % len(children)
        elif issubclass(kind, dict):
            fits(dict.__len__(item), MAX_NODES)
            children = [part for pair in dict.items(item) for part in pair]
            piece = b"m%d:" % (len(children) // 2)
        elif issubclass(kind, (set, frozenset)):
            plain = set if issubclass(kind, set) else frozenset
            fits(plain.__len__(item), MAX_NODES)
            children = [*plain.__iter__(item)]
            piece = b"e%d:" % len(children)
        elif issubclass(kind, (bytes, bytearray)) and not (numpy and issubclass(kind, numpy_scalar)):
            content = memoryview(item)
            fits(content.nbytes, MAX_BYTES)
            text = bytes(content)
            piece = b"b%d:%s" % (len(text), text)
        elif kind is complex:
            piece = b"c"
            children = (item.real, item.imag)
        elif issubclass(kind, Decimal):
            text = Decimal.__str__(item).encode()
            piece = b"D%d:%s" % (len(text), text)
        elif numpy and issubclass(kind, ndarray):
            fits(ndarray.size.__get__(item), MAX_NODES)
            stack.append(ndarray.tolist(item))
            continue
        elif numpy and issubclass(kind, numpy_scalar):
            plain = numpy_scalar.item(item)
            stack.append(_Named(item) if issubclass(type(plain), numpy_scalar) else plain)
            continue
        else:
            stack.append(_Named(item))
            continue
        pieces.append(piece)
        total += len(piece)
        if children:
            stack.extend(reversed(children))
    return pieces


def fits(size, most):
    """Refuses what is more than `most`; numbers and strings, which are most of the nodes, are spared the call."""
    if size > most:
        raise TooLarge


class _Named:
    """A value of a type that the encoding does not know."""

    def __init__(self, item):
        kind = type(item)
        self.name = f"{kind.__module__}.{kind.__qualname__}"
        text = repr(item)
        fits(len(text), MAX_BYTES)
        self.text = text
