"""Zygote: a warm interpreter that forks one child for each test.

It never sees a program, a test or a value: requests carry descriptors only, and the child reads its job from one of
them after the fork. What a child does, it does in a process of its own; nothing flows back but its exit status.

Descriptor 0 is the control socket (SOCK_SEQPACKET) to the parent:
  parent -> zygote  b"T" + limits        run a test: bytes and files of its box; with descriptors
                    b"R"                 reap orphans (where no PID namespace kills them)
  zygote -> parent  b"H" + JSON          ready
                    b"P" + descriptor    the child's pidfd
                    b"X" + numbers       the child is gone: wait status, CPU seconds, peak resident set in KiB, and whether it left others
                    b"R" + number        reaped; whether others are left
"""

import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import struct
import sys

CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MS_NOSUID_NODEV = 2 | 4
MNT_DETACH = 2
SQLITE_CONFIG_PAGECACHE = 7

# Each library that is mapped costs every fork some microseconds: what few programs use (uuid, unicodedata, cmath) they import.
# What programs import, by how often they do (the first part is what verl's clients put before every program).
PRELOAD = """
re string datetime collections heapq bisect copy math random statistics itertools functools operator io sys json typing
sqlite3 decimal fractions hashlib hmac base64 html urllib.parse ast pickle csv struct enum dataclasses contextlib abc
textwrap tempfile subprocess shutil pathlib threading traceback linecache inspect secrets time calendar logging
string types warnings weakref glob fnmatch shlex os.path array numbers codecs locale binascii zlib
encodings.utf_8 encodings.ascii encodings.latin_1
""".split()
# A zygote of its own, for programs that name it.
NUMPY = "numpy numpy.linalg numpy.random".split()

libc = ctypes.CDLL(None, use_errno=True)
# Of the C library, with the interpreter's lock held: its own fork runs handlers that touch hundreds of pages, for threads and
# locks that there are none of here. `after_fork` does the rest.
fork = ctypes.PyDLL(None, use_errno=True).fork


def check(result, what):
    """Raises OSError where a system call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def preload(names):
    """Imports what programs will import; what is not installed is left out."""
    loaded = []
    for name in names:
        try:
            importlib.import_module(name)
            loaded.append(name)
        except ImportError:
            pass
    return loaded


def spare_connections():
    """Lets SQLite's connections take a page of their cache when they need it: a store for twenty is laid out at once otherwise."""
    try:
        ctypes.CDLL("libsqlite3.so.0").sqlite3_config(SQLITE_CONFIG_PAGECACHE, None, 0, 0)
    except (OSError, AttributeError):
        # Of another name, or none: it works all the same.
        pass


# Before SQLite is loaded for good.
spare_connections()
# At import, because the child's part binds what is loaded now.
sys.path[:] = [entry for entry in sys.path if entry]
CONFIG = json.loads(sys.argv[1])
LOADED = preload(PRELOAD + NUMPY if CONFIG["numpy"] else PRELOAD)


def serve(config):
    """Forks a child for each request until the parent hangs up."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # It was for this interpreter's own libraries: what is bound now, no child has to look for.
    os.environ.pop("LD_BIND_NOW", None)
    control = socket.socket(fileno=os.dup(0))
    os.set_inheritable(control.fileno(), False)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    rehearse(null)
    os.close(null)
    sys.argv[:] = ["main.py"]
    sys.orig_argv[:] = [sys.executable, "main.py"]
    box = config["box"]
    # Where tests start, which is the same for all of them; HOME and TMPDIR came with the environment.
    os.environ["PWD"] = config["home"] = f"{box}/work"
    config["folders"] = [f"{box}/{name}" for name in ("work", "tmp", "shm")]
    config["mount_point"] = box.encode()
    os.chdir("/")
    if config["support"]:
        # Interpreters that a program starts find their places by the `sitecustomize` there.
        os.environ["PYTHONPATH"] = config["support"]
    init = start_init(config["numbers_fd"]) if config["namespaces"] else None
    *filters, last = [read_file(descriptor) for descriptor in config["filter_fds"]] or [None]
    for program in filters:
        Filter(program).install()
    config["child_filter"] = last and Filter(last, config["signal_pid_placeholder"])
    gc.collect()
    gc.freeze()
    gc.disable()
    fill_holes()
    control.send(b"H" + json.dumps({"preloaded": LOADED}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 8)
        if not message:
            return
        if message == b"R":
            control.send(b"R%d" % reap())
            continue
        if init is not None:
            size, files = message[1:].split()
            options = b"size=%b,nr_inodes=%b,mode=0700" % (size, files)
            check(libc.mount(b"tmpfs", config["mount_point"], b"tmpfs", MS_NOSUID_NODEV, options), "mount")
        pid = fork()
        if pid == 0:
            # The control socket is closed with all else that is not the child's.
            run_child(config, descriptors)
            os._exit(70)
        check(pid, "fork")
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(control, [b"P"], [pidfd])
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        cpu = usage.ru_utime + usage.ru_stime
        left = False
        if init is not None:
            cpu += end_all(init)
        else:
            left = reap()
        control.send(b"X%d %.6f %d %d" % (status, cpu, usage.ru_maxrss, left))
        if init is not None:
            # Nobody is left in it.
            check(libc.umount2(config["mount_point"], MNT_DETACH), "umount")


class Init:
    """Our end of the first process of the tests' PID namespace."""

    def __init__(self, request, answer):
        self.request, self.answer, self.cpu = request, answer, 0.0


def start_init(numbers):
    """A PID namespace for all processes that are forked from now on, and the process that holds it.

    Tests come into it one after the other. They are not its first process, which no signal with a default action would reach, and
    they see neither the zygote nor its parents.
    """
    check(libc.unshare(CLONE_NEWPID), "unshare")
    request, send = os.pipe()
    receive, answer = os.pipe()
    if check(fork(), "fork") == 0:
        try:
            be_init(request, answer, numbers)
        finally:
            os._exit(70)
    os.close(request)
    os.close(answer)
    if numbers is not None:
        os.close(numbers)
    return Init(send, receive)


def end_all(init):
    """Ends whatever a test left in the namespace; returns the CPU seconds of what nobody else has waited for."""
    os.write(init.request, b"E")
    answer = os.read(init.answer, 8)
    if len(answer) != 8:
        raise OSError("the first process of the tests' namespace is gone")
    before, (init.cpu,) = init.cpu, struct.unpack("d", answer)
    return init.cpu - before


def be_init(request, answer, numbers):
    """The first process of the tests' namespace: waits for orphans, and after each test kills all that is left.

    Nothing inside can stop it: the kernel keeps signals from it that it has no handler for. The next test's processes get the same
    numbers as this one's, where `numbers` can be written to.
    """
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, lambda number, frame: reap())
    # First out of the way: one of them may have the number that another is to get.
    given = [one for one in (request, answer, numbers) if one is not None]
    kept = [os.dup2(one, target) for target, one in enumerate(given, 100)]
    for target, one in enumerate(kept, 3):
        os.dup2(one, target)
    os.closerange(3 + len(kept), 1024)
    resets = numbers is not None and reset_numbers(5)
    while os.read(3, 1):
        while True:
            try:
                # A fork that is under way fails, so after a round in which there was nobody, nobody comes.
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                break
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                # Theirs are ours only when they are gone.
                os.sched_yield()
        if resets:
            reset_numbers(5)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(4, struct.pack("d", usage.ru_utime + usage.ru_stime))


def reset_numbers(descriptor):
    """The next process is number 2, as the first one was. Says whether this kernel lets us."""
    try:
        os.pwrite(descriptor, b"1", 0)
    except OSError:
        return False
    return True


def reap():
    """Collects orphans that have ended. Says whether others are left: the kernel knows, a list of them in /proc may lack some."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return False


def read_file(descriptor):
    """A seccomp program, compiled by the parent."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb") as file:
        return file.read()
