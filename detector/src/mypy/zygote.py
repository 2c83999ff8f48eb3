"""Warm mypy: a process that has read the libraries, and children of it that check programs one after another.

One request a line on standard input, {"code": str, "seconds": float, "cpu_seconds": float, "plain": bool, "alone": bool, "parses": bool,
"stars": [str], "names": [str]}; one answer a line on standard output, {"status": int, "stdout": str, "left_out": int} or {"failure":
"deadline" | "cpu" | "memory" | "killed" | "died" | "internal", "read": bool, ...}. `read` says that libraries were read anew meanwhile, which the
next try need not do. Configuration files and plug-ins are not read: the working directory is an empty folder inside one of our
own, which the first line on standard output names. The cache lies beside it, where a program cannot import it.

A program that can leave something behind has a child of its own. One that is asked for `plain` is checked by the command line's mypy: nothing
of ours stands between.
"""

import contextlib
import gc
import io
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from mypy.version import __version__

# What programs import most; other libraries are read when first met.
WARM = """
import abc, argparse, ast, asyncio, base64, bisect, collections, contextlib, copy, csv, dataclasses, datetime, decimal
import enum, fractions, functools, hashlib, heapq, hmac, html, io, itertools, json, logging, math, operator, os, pathlib
import pickle, queue, random, re, secrets, shlex, shutil, socket, sqlite3, statistics, string, subprocess, sys, tempfile
import threading, time, typing, unittest, urllib.parse, urllib.request, uuid
"""
# A fork costs more than a small program; a child that serves many could grow.
PROGRAMS_A_CHILD = 500
# What a check may take beside what is shared.
MEMORY_BYTES = 2 << 30
# What has grown by so much when it is killed from outside took more than the machine has.
LARGE_BYTES = 1 << 30
# CPU time for reading libraries, which is not the program's fault; the time for an answer bounds it, too.
LIBRARY_SECONDS = 300.0
# What reads libraries that are known, besides what the program decides, may take so many times what the program may.
WITH_LIBRARIES = 2.0
# Of mypy's lines, and of one line, so much is passed on; a program can make it say gigabytes.
MOST_OUTPUT = 4 << 20
MOST_LINE = 16 << 10


class Child:
    """A fork that answers requests until its pipe closes."""

    def __init__(self, resident: Resident) -> None:
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.left = PROGRAMS_A_CHILD
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.requests)
                os.close(self.answers)
                serve(resident, requests, answers)
            finally:
                os._exit(0)
        os.close(requests)
        os.close(answers)

    def ask(self, asked: dict) -> dict[str, object]:
        """The answer, or why there is none; the child is gone where there is none."""
        deadline = time.monotonic() + asked["seconds"]
        self.left -= 1
        request = json.dumps([asked["code"], asked["cpu_seconds"]]).encode() + b"\n"
        try:
            while request:
                request = request[os.write(self.requests, request) :]
        except BrokenPipeError:
            return ending(*self.end())
        answer = bytearray()
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                self.end()
                return {"failure": "deadline"}
            piece = os.read(self.answers, 1 << 16)
            if not piece:
                return ending(*self.end())
            answer += piece
        found = json.loads(answer)
        if self.left <= 0 or found.get("last", True):
            self.end()
        return found

    def end(self) -> tuple[int, int]:
        self.left = 0
        os.close(self.requests)
        os.close(self.answers)
        return kill(self.pid)


def kill(pid: int) -> tuple[int, int]:
    """How a child ended, which may have been before, and the most bytes that it had in memory."""
    os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10


def ending(status: int, bytes: int) -> dict[str, object]:
    """Why a child that ended by itself gave no answer."""
    if status == -signal.SIGPROF:
        return {"failure": "cpu"}
    if status == -signal.SIGKILL:
        large = bytes > LARGE_BYTES + (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
        return {"failure": "memory" if large else "killed"}
    return {"failure": "died", "status": status}


def confine() -> None:
    """Bounds what a child takes: what goes beyond must end it, and nobody else."""
    with open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def spend(seconds: float) -> None:
    """Lets this process have so much more CPU time. Nothing handles the signal: it ends the process wherever it is, in the middle of
    one long multiplication, too."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def serve(resident: Resident, requests: int, answers: int) -> None:
    confine()
    loads = 0
    with os.fdopen(requests, encoding="utf-8") as lines, os.fdopen(answers, "w", encoding="utf-8") as pipe:
        for line in lines:
            code, cpu_seconds = json.loads(line)
            stages = {"imports": WITH_LIBRARIES * cpu_seconds, "libraries": LIBRARY_SECONDS, "program": cpu_seconds}
            said = io.StringIO()
            try:
                with contextlib.redirect_stderr(said):
                    resident.manager.stdout = resident.manager.stderr = said
                    status, found = resident.check(code, lambda stage, stages=stages: spend(stages[stage]))
                answer = {
                    "status": status,
                    **told(found),
                    "checked": resident.checked,
                    "last": not resident.is_whole(),
                }
            # What mypy ends with where it breaks on a program.
            except (SystemExit, Exception) as error:
                last = (said.getvalue().strip().splitlines() or [""])[-1]
                answer = {"failure": "internal", "message": f"{type(error).__name__}: {last or error}"[:MOST_LINE]}
            spend(0)
            if resident.loads > loads:
                # What a library is need not be looked through for garbage again.
                loads = resident.loads
                gc.freeze()
            pipe.write(json.dumps(answer) + "\n")
            pipe.flush()


def told(found: list[str]) -> dict[str, object]:
    """mypy's lines as far as there is room for them, and how many errors there are beyond."""
    kept, room = [], MOST_OUTPUT
    for line in found:
        if len(line) > MOST_LINE:
            line = line[: MOST_LINE // 2] + " … " + line[-MOST_LINE // 2 :]
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    # As mypy writes what no encoding has.
    text = "\n".join(kept).encode("utf-8", "backslashreplace").decode()
    return {"stdout": text, "left_out": sum(": error: " in line for line in found[len(kept) :])}


def plain(asked: dict) -> dict[str, object]:
    """What the command line's mypy says. It has the cache of libraries, as runs of one user have."""
    write(asked["code"])
    deadline = time.monotonic() + asked["seconds"]

    def prepare() -> None:
        confine()
        spend(WITH_LIBRARIES * asked["cpu_seconds"])

    command = [sys.executable, "-B", "-I", "-X", "utf8", "-m", "mypy", *FLAGS, PROGRAM]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=prepare
    )
    assert process.stdout is not None
    output, ended = bytearray(), False
    while len(output) <= MOST_OUTPUT and not ended:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            break
        piece = os.read(process.stdout.fileno(), 1 << 16)
        ended = not piece
        output += piece
    if ended:
        # Its output is closed a moment before it ends.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    status, bytes = kill(process.pid)
    process.returncode = status
    process.stdout.close()
    forget_program()
    lines = output.decode("utf-8", "replace").splitlines()
    if not ended:
        return {"status": 1, **told(lines)} if len(output) > MOST_OUTPUT else {"failure": "deadline"}
    if status < 0:
        return ending(status, bytes)
    if status > 2 or any("INTERNAL ERROR" in line or line.startswith("Traceback ") for line in lines):
        return {"failure": "internal", "message": (lines or [""])[-1][:MOST_LINE]}
    return {"status": status, **told(lines)}


def libraries() -> int:
    """How many files the cache of libraries has."""
    return sum(len(files) for _, _, files in os.walk("../cache"))


def leaves_something(resident: Resident, request: dict) -> bool:
    """Whether a program may define names again that it has from a library by `import *`, or is to be alone anyway."""
    if request["alone"]:
        return True
    for module in request["stars"]:
        tree = resident.trees.get(module)
        if tree is None or any(name in tree.names for name in request["names"]):
            return True
    return False


def main() -> None:
    os.environ.pop("MYPYPATH", None)
    os.environ.pop("MYPY_CACHE_DIR", None)
    folder = tempfile.mkdtemp(prefix="real-mypy-")
    os.mkdir(os.path.join(folder, "work"))
    os.chdir(os.path.join(folder, "work"))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Nothing but answers may go to standard output.
    os.dup2(2, 1)
    child: Child | None = None
    try:
        resident = Resident(WARM)
        gc.collect()
        gc.freeze()
        answers.write(json.dumps({"folder": folder, "version": __version__}) + "\n")
        answers.flush()
        cached = libraries()
        for line in sys.stdin:
            request = json.loads(line)
            if request["plain"]:
                answer = plain(request)
            elif leaves_something(resident, request):
                own = Child(resident)
                own.left = 1
                answer = own.ask(request)
            else:
                if child is None or child.left == 0:
                    child = Child(resident)
                answer = child.ask(request)
                # Nobody could say what this one leaves behind, and it was no syntax error for mypy.
                if not request["parses"] and answer.get("checked") and child.left > 0:
                    child.end()
            if "failure" in answer:
                before, cached = cached, libraries()
                answer["read"] = cached > before
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
