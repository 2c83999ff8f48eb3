"""Warm mypy: a process that has read the libraries, and children of it that check programs one after another.

One request a line on standard input, {"code": str, "seconds": float, "cpu_seconds": float, "alone": bool, "parses": bool, "stars": [str], "names":
[str]}; one answer a line on standard output, {"status": int, "stdout": str} or {"failure": "deadline" | "cpu" | "died" |
"internal", ...}. Configuration files and plug-ins are not read: the working directory is an empty folder inside one of our
own, which the first line on standard output names. The cache lies beside it, where a program cannot import it.

A program that can leave something behind has a child of its own.
"""

import contextlib
import functools
import gc
import io
import json
import os
import resource
import select
import shutil
import signal
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
MEMORY_BYTES = 4 << 30
# CPU time for reading libraries, which is not the program's fault; the time for an answer bounds it, too.
LIBRARY_SECONDS = 300.0


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
            return {"failure": "died", "status": self.end()}
        answer = bytearray()
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                self.end()
                return {"failure": "deadline"}
            piece = os.read(self.answers, 1 << 16)
            if not piece:
                status = self.end()
                why = {-signal.SIGVTALRM: "cpu", -signal.SIGPROF: "deadline"}
                return {"failure": why.get(status, "died"), "status": status}
            answer += piece
        found = json.loads(answer)
        if self.left <= 0 or found.get("last", True):
            self.end()
        return found

    def end(self) -> int:
        self.left = 0
        os.close(self.requests)
        os.close(self.answers)
        os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def serve(resident: Resident, requests: int, answers: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    loads = 0
    with os.fdopen(requests, encoding="utf-8") as lines, os.fdopen(answers, "w", encoding="utf-8") as pipe:
        for line in lines:
            code, cpu_seconds = json.loads(line)
            said = io.StringIO()
            # Nothing handles the signals, so one ends the process wherever it is: in the middle of one long multiplication, too.
            signal.setitimer(signal.ITIMER_PROF, LIBRARY_SECONDS)
            try:
                with contextlib.redirect_stderr(said):
                    resident.manager.stdout = resident.manager.stderr = said
                    limit = functools.partial(signal.setitimer, signal.ITIMER_VIRTUAL, cpu_seconds)
                    status, found = resident.check(code, limit)
                # As mypy writes what no encoding has.
                text = "\n".join(found).encode("utf-8", "backslashreplace").decode()
                answer = {
                    "status": status,
                    "stdout": text,
                    "checked": resident.checked,
                    "last": not resident.is_whole(),
                }
            # What mypy ends with where it breaks on a program.
            except (SystemExit, Exception) as error:
                last = (said.getvalue().strip().splitlines() or [""])[-1]
                answer = {"failure": "internal", "status": 0, "message": f"{type(error).__name__}: {last or error}"}
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if resident.loads > loads:
                # What a library is need not be looked through for garbage again.
                loads = resident.loads
                gc.freeze()
            pipe.write(json.dumps(answer) + "\n")
            pipe.flush()


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
        for line in sys.stdin:
            request = json.loads(line)
            if leaves_something(resident, request):
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
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
