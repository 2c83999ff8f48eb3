"""Warm mypy: a process that has imported mypy, and a child of it that checks programs one after another.

One request a line on standard input, {"code": str, "seconds": float}; one answer a line on standard output,
{"status": int, "stdout": str, "stderr": str} or {"failure": "deadline" | "died", ...}. Configuration files and plug-ins
are not read: the working directory is an empty folder inside one of our own, which the first line on standard output
names. The cache lies beside it, where a program cannot import it.
"""

import gc
import glob
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time

import mypy.main  # noqa: F401 (mypy.api imports it late, which would be once a child)
from mypy import api

FLAGS = [
    "--strict", "--config-file=", "--show-column-numbers", "--show-error-codes", "--hide-error-context", "--no-pretty",
    "--no-color-output", "--no-error-summary", "--cache-dir=../cache", "--no-sqlite-cache",
]  # fmt: skip
# What programs import most; others join the cache when first met.
WARM = """
import abc, argparse, ast, asyncio, base64, bisect, collections, contextlib, copy, csv, dataclasses, datetime, decimal
import enum, fractions, functools, hashlib, heapq, hmac, html, io, itertools, json, logging, math, operator, os, pathlib
import pickle, queue, random, re, secrets, shlex, shutil, socket, sqlite3, statistics, string, subprocess, sys, tempfile
import threading, time, typing, unittest, urllib.parse, urllib.request, uuid
"""
WARM_SECONDS = 300.0
# A fork costs about as much as a small program; a child that serves many could grow.
PROGRAMS_A_CHILD = 50
MEMORY_BYTES = 4 << 30
# CPU time for one program: what takes longer folds constants such as 9**9**9**9, and would do so again.
CPU_SECONDS = 20.0
# Programs that took too much CPU time and are not tried again.
MOST_REMEMBERED = 10_000


def check(code: str) -> dict[str, object]:
    # What mypy remembers of the program before would be replayed for an equal one.
    for stale in glob.glob("../cache/*/program.*"):
        os.unlink(stale)
    with open("program.py", "w", encoding="utf-8", newline="") as file:
        file.write(code)
    stdout, stderr, status = api.run([*FLAGS, "program.py"])
    return {"status": status, "stdout": stdout, "stderr": stderr}


class Child:
    """A fork that answers requests until its pipe closes."""

    def __init__(self) -> None:
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.left = PROGRAMS_A_CHILD
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.requests)
                os.close(self.answers)
                serve(requests, answers)
            finally:
                os._exit(0)
        os.close(requests)
        os.close(answers)

    def ask(self, code: str, seconds: float, cpu_seconds: float) -> dict[str, object]:
        """The answer, or why there is none; the child is gone where there is none."""
        deadline = time.monotonic() + seconds
        self.left -= 1
        try:
            with os.fdopen(os.dup(self.requests), "w", encoding="utf-8") as pipe:
                pipe.write(json.dumps([code, cpu_seconds]) + "\n")
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
                return {"failure": "cpu" if status == -signal.SIGPROF else "died", "status": status}
            answer += piece
        if self.left == 0:
            self.end()
        return json.loads(answer)

    def end(self) -> int:
        self.left = 0
        os.close(self.requests)
        os.close(self.answers)
        os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def serve(requests: int, answers: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(requests, encoding="utf-8") as lines, os.fdopen(answers, "w", encoding="utf-8") as pipe:
        for line in lines:
            code, cpu_seconds = json.loads(line)
            # Nothing handles the signal, so it ends the process wherever it is: in the middle of one long multiplication, too.
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            answer = check(code)
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.write(json.dumps(answer) + "\n")
            pipe.flush()


def main() -> None:
    os.environ.pop("MYPYPATH", None)
    os.environ.pop("MYPY_CACHE_DIR", None)
    folder = tempfile.mkdtemp(prefix="real-mypy-")
    os.mkdir(os.path.join(folder, "work"))
    os.chdir(os.path.join(folder, "work"))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Nothing but answers may go to standard output.
    os.dup2(2, 1)
    try:
        child = Child()
        child.ask(WARM, WARM_SECONDS, WARM_SECONDS)
        if child.left > 0:
            child.end()
        # Once in this process too, so that children share what a run sets up.
        check("import typing\n")
        gc.collect()
        gc.freeze()
        answers.write(f"ready {folder}\n")
        answers.flush()
        too_long: dict[bytes, None] = {}
        for line in sys.stdin:
            request = json.loads(line)
            code, seconds = request["code"], request["seconds"]
            name = hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
            if name in too_long:
                answer: dict[str, object] = {"failure": "cpu", "status": 0}
            else:
                if child.left == 0:
                    child = Child()
                # A busy machine gives less CPU time than time.
                answer = child.ask(code, seconds, min(CPU_SECONDS, seconds / 2))
            if answer.get("failure") == "cpu":
                too_long[name] = None
                if len(too_long) > MOST_REMEMBERED:
                    del too_long[next(iter(too_long))]
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
