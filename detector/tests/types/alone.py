"""What `mypy --strict` says of each program of a JSON list on standard input: the lines of its errors, in one JSON list.

Each is a run of mypy of its own, in a process of its own; runs share the cache of library modules, as runs of one user do.
"""

import glob
import json
import os
import sys
import tempfile

import mypy.main  # noqa: F401 (what follows is then shared by all)
from mypy import api

FLAGS = ["--strict", "--show-column-numbers", "--config-file=", "--no-error-summary", "--cache-dir=../cache"]


def run(code: str) -> list[str]:
    with open("program.py", "w", encoding="utf-8", newline="") as file:
        file.write(code)
    for stale in [*glob.glob("../cache/**/program.*", recursive=True), *glob.glob("../cache/*.db")]:
        os.unlink(stale)
    stdout, stderr, status = api.run([*FLAGS, "--no-sqlite-cache", "program.py"])
    if status == 2 and not stdout or "INTERNAL ERROR" in stderr:
        sys.exit(f"mypy broke on {code!r}: {stderr}")
    return stdout.splitlines()


def apart(code: str) -> list[str]:
    answers, answer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(answer, "w") as pipe:
            json.dump(run(code), pipe)
        os._exit(0)
    os.close(answer)
    with os.fdopen(answers) as pipe:
        found = json.load(pipe)
    os.waitpid(child, 0)
    return found


def main() -> None:
    programs = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "work"))
        os.chdir(os.path.join(folder, "work"))
        print(json.dumps([apart(code) for code in programs]))


main()
