"""Warm mypy: a process that has imported mypy and forks for every program.

One request a line on standard input, {"code": str, "seconds": float}; one answer a line on standard output,
{"status": int, "stdout": str, "stderr": str} or {"failure": "deadline" | "died", ...}. Configuration files and plug-ins
are not read: the working directory is an empty folder of our own.
"""

import glob
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time

from mypy import api

FLAGS = [
    "--strict", "--config-file=", "--show-column-numbers", "--show-error-codes", "--hide-error-context", "--no-pretty",
    "--no-color-output", "--no-error-summary", "--cache-dir=cache",
]  # fmt: skip
# What programs import most; others join the cache when first met.
WARM = """
import abc, argparse, ast, asyncio, base64, bisect, collections, contextlib, copy, csv, dataclasses, datetime, decimal
import enum, fractions, functools, hashlib, heapq, hmac, html, io, itertools, json, logging, math, operator, os, pathlib
import pickle, queue, random, re, secrets, shlex, shutil, socket, sqlite3, statistics, string, subprocess, sys, tempfile
import threading, time, typing, unittest, urllib.parse, urllib.request, uuid
"""


def check(code: str) -> tuple[str, str, int]:
    for stale in glob.glob("cache/*/program.*"):
        os.unlink(stale)
    with open("program.py", "w", encoding="utf-8", newline="") as file:
        file.write(code)
    return api.run([*FLAGS, "program.py"])


def in_child(code: str, seconds: float) -> dict[str, object]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            stdout, stderr, status = check(code)
            answer = json.dumps({"status": status, "stdout": stdout, "stderr": stderr}).encode()
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(answer)
        finally:
            os._exit(0)
    os.close(write_end)
    deadline = time.monotonic() + seconds
    pieces = []
    late = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([read_end], [], [], left)[0]:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        piece = os.read(read_end, 1 << 16)
        if not piece:
            break
        pieces.append(piece)
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    if late:
        return {"failure": "deadline"}
    try:
        return json.loads(b"".join(pieces))
    except ValueError:
        return {"failure": "died", "status": os.waitstatus_to_exitcode(status)}


def main() -> None:
    os.environ.pop("MYPYPATH", None)
    os.environ.pop("MYPY_CACHE_DIR", None)
    folder = tempfile.mkdtemp(prefix="real-mypy-")
    os.chdir(folder)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Nothing but answers may go to standard output.
    os.dup2(2, 1)
    try:
        in_child(WARM, 300)
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            request = json.loads(line)
            answers.write(json.dumps(in_child(request["code"], request["seconds"])) + "\n")
            answers.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
