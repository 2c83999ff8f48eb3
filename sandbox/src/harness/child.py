"""Child: puts up the walls that differ from test to test, then does one job in a fresh process.

The zygote already lives under the other walls. Everything that is the same for all tests is made here at import, in the zygote: what a
child builds or changes costs it a copy of the page.
"""

SYS_LANDLOCK_RESTRICT_SELF = 446
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

HARD_LIMITS = {name: resource.getrlimit(getattr(resource, name))[1] for name in dir(resource) if name.startswith("RLIMIT_")}
LIMITS = {name: getattr(resource, name) for name in HARD_LIMITS}
NO_LIMIT = resource.RLIM_INFINITY
# With no_new_privs, capabilities that were given up cannot come back.
CAPABILITY_VERSION = (ctypes.c_uint32 * 2)(0x20080522, 0)
NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
# What whoever started the service had ignored: programs get signals as if a terminal had started them. Two an interpreter ignores by itself.
IGNORED = [number for number in signal.valid_signals()
           if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ)]
main_thread = threading.main_thread()
# Each object that a child looks at for the first time costs it a page: names are bound here to what they lead to.
# What is written in C touches few pages: `json.loads` and `random.seed` would go through functions of Python.
prctl, capset, set_limit, dup_to = libc.prctl, libc.syscall, resource.setrlimit, os.dup2
seek, read_at, make_folder, change_folder, close_range = os.lseek, os.pread, os.mkdir, os.chdir, os.closerange
start_session, enable_collector, freeze_collector = os.setsid, gc.enable, gc.freeze
KILLED = int(signal.SIGKILL)
read_json = json.JSONDecoder().scan_once
# Modules that draw from it by themselves are named too.
RANDOM = ("random", "uuid", "email", "statistics")
seed_random = type(random._inst).__base__.seed.__get__(random._inst)


class SockFilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


class Filter:
    """A seccomp program, ready to be installed."""

    def __init__(self, program, placeholder=None):
        self.content = ctypes.create_string_buffer(program, len(program))
        self.header = SockFilterProgram(len(program) // 8, ctypes.cast(self.content, ctypes.c_void_p))
        self.reference = ctypes.byref(self.header)
        pattern = placeholder.to_bytes(4, sys.byteorder) if placeholder else None
        self.places = [at for at in range(0, len(program), 4) if program[at:at + 4] == pattern]

    def install(self):
        if self.places:
            own = os_getpid().to_bytes(4, sys.byteorder)
            for at in self.places:
                self.content[at:at + 4] = own
        check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.reference, 0, 0), "seccomp")


def run_child(config, descriptors):
    """Isolates this process, then runs the job. Does not return."""
    job_fd, stdin_fd, stdout_fd, stderr_fd, result_fd = descriptors
    for source, target in ((stdin_fd, 0), (stdout_fd, 1), (stderr_fd, 2), (result_fd, RESULT)):
        dup_to(source, target, inheritable=target < 3)
    try:
        after_fork()
        job, files, code = read_job(job_fd)
        isolate(config, job, files)
        if draws_at_random(job, files):
            seed_random()
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
    # What was made so far would be looked through at once.
    freeze_collector()
    enable_collector()
    try:
        work(report)
    finally:
        os_exit(1)


def after_fork():
    """What the interpreter's own fork does that a single thread without locks needs, but for `random`'s seed: the thread's number."""
    main_thread._native_id = os_getpid()


def draws_at_random(job, files):
    """Whether a test may use `random`'s own generator, whose state is a page or three: it is seeded for those that name it."""
    program, prelude = job.get("program") or "", job.get("prelude") or ""
    for word in RANDOM:
        if word in program or word in prelude:
            return True
    return files.find(b"random") >= 0


def read_job(descriptor):
    """The job, the set-up's files and the program's code, from the memory file that the parent filled."""
    size = seek(descriptor, 0, 2)
    content = read_at(descriptor, size, 0)
    while len(content) < size:
        content += read_at(descriptor, size - len(content), len(content))
    end = content.index(b"\n")
    job, _ = read_json(content[:end].decode(), 0)
    files = end + 1 + job["files"]
    return job, content[end + 1:files], content[files:]


def isolate(config, job, files):
    """The layers that differ from test to test, each of which the next one takes away."""
    global home
    if not config["namespaces"]:
        # In a PID namespace its first process has it.
        prctl(PR_SET_PDEATHSIG, KILLED, 0, 0, 0)
    start_session()
    for number in IGNORED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    limits = job["limits"]
    home = config["home"]
    for folder in config["folders"]:
        make_folder(folder, 0o700)
    change_folder(home)
    # Not in the zygote: it must never import what a test has written.
    sys.path.insert(0, home)
    if files:
        unpack(files)
    if config["drop_capabilities"]:
        check(capset(SYS_CAPSET, CAPABILITY_VERSION, NO_CAPABILITIES), "capset")
    if config["scope_fd"] is not None:
        check(libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, config["scope_fd"], 0), "landlock_restrict_self")
    close_range(3, RESULT)
    close_range(RESULT + 1, 1024)
    if numpy:
        numpy.random.seed()
    for name, value in limits["rlimits"]:
        hard = HARD_LIMITS[name]
        if hard != NO_LIMIT:
            value = min(value, hard)
        # Programs raise that of the stack before they recurse; `RLIMIT_AS` holds it.
        set_limit(LIMITS[name], (value, hard if name == "RLIMIT_STACK" else value))
    if config["child_filter"] is not None:
        config["child_filter"].install()
