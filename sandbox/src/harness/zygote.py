"""Zygote: a warm interpreter that forks one child for each test.

It never sees a program, a test or a value: requests carry descriptors only, and the child reads its job from one of
them after the fork. What a child does, it does in a process of its own; nothing flows back but its exit status.

Descriptor 0 is the control socket (SOCK_SEQPACKET) to the parent:
  parent -> zygote  b"T" + descriptors   run a test
                    b"R"                 reap orphans (where no PID namespace kills them)
  zygote -> parent  b"H" + JSON          ready
                    b"P" + descriptor    the child's pidfd
                    b"X" + JSON          the child is gone: wait status and resource usage
                    b"R"                 reaped
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys

CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_OPEN = 434

# What programs import, by how often they do (the first part is what verl's clients put before every program).
PRELOAD = """
re string datetime collections heapq bisect copy math random statistics itertools functools operator io sys json typing
sqlite3 decimal fractions hashlib hmac base64 html urllib.parse ast pickle csv struct enum dataclasses contextlib abc
textwrap tempfile subprocess shutil pathlib threading traceback linecache inspect secrets uuid time calendar logging
string types warnings weakref glob fnmatch shlex os.path array cmath numbers codecs unicodedata locale binascii zlib
numpy numpy.linalg numpy.random encodings.idna encodings.utf_8 encodings.ascii encodings.latin_1
""".split()

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    """Raises OSError where a system call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def preload():
    """Imports what programs will import; what is not installed is left out."""
    loaded = []
    for name in PRELOAD:
        try:
            importlib.import_module(name)
            loaded.append(name)
        except ImportError:
            pass
    return loaded


# At import, because the child's part binds what is loaded now.
sys.path[:] = [entry for entry in sys.path if entry]
LOADED = preload()


def serve(config, run_child):
    """Forks a child for each request until the parent hangs up."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    control = socket.socket(fileno=os.dup(0))
    os.set_inheritable(control.fileno(), False)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    config["filters"] = read_filters(config.pop("filter_fds"))
    sys.argv[:] = ["main.py"]
    # Where tests start, which is the same for all of them; HOME and TMPDIR came with the environment.
    os.environ["PWD"] = config["box"] + "/work"
    if config["isolated"] and not config["namespaces"]:
        without_shared_memory()
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(b"H" + json.dumps({"preloaded": LOADED}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 16, 8)
        if not message:
            return
        if message == b"R":
            reap()
            control.send(b"R")
            continue
        init, pid = fork(config)
        if pid == 0:
            control.close()
            run_child(config, descriptors)
            os._exit(70)
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = check(libc.syscall(SYS_PIDFD_OPEN, pid, 0), "pidfd_open")
        socket.send_fds(control, [b"P"], [pidfd])
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        cpu = usage.ru_utime + usage.ru_stime
        if init:
            # With it the kernel ends whatever is left in the namespace; orphans that ended are on its account.
            os.kill(init, signal.SIGKILL)
            _, _, orphans = os.wait4(init, 0)
            cpu += orphans.ru_utime + orphans.ru_stime
        report = {"status": status, "cpu": cpu, "max_rss_kib": usage.ru_maxrss}
        control.send(b"X" + json.dumps(report).encode())


def fork(config):
    """Forks the test's process; under namespaces into a PID namespace of its own, with an init that was there first.

    The test is not the first process of its namespace, which no signal with a default action would reach.
    """
    if not config["namespaces"]:
        return 0, os.fork()
    check(libc.unshare(CLONE_NEWPID), "unshare")
    # Of the C library: the interpreter's own fork touches pages that an init has no use for.
    init = check(libc.fork(), "fork")
    if init == 0:
        be_init()
    pid = os.fork()
    if pid:
        # Back to our own namespace: it cannot be left a second time otherwise.
        check(libc.setns(config["pid_namespace_fd"], CLONE_NEWPID), "setns")
    return init, pid


def be_init():
    """The first process of a test's namespace: waits for orphans until it is killed."""
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        os.closerange(0, 1024)
        while True:
            signal.sigwait([signal.SIGCHLD])
            reap()
    finally:
        os._exit(70)


def reap():
    """Collects orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def read_filters(descriptors):
    """The seccomp programs, compiled by the parent, in the order in which they are installed."""
    filters = []
    for descriptor in descriptors:
        os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb") as file:
            filters.append(file.read())
    return filters
