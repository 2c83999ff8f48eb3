"""Sandbox: CPU milliseconds a SafeSQL test, HTTP included, beside a new interpreter a test as the paper does it.

Ours: a batch of five tests a task, in each isolation tier that this machine has: the first time, when the database is built, and
again, as for every further answer of a step. The peer: one process builds the database, one runs the program, no isolation.
The limit is 4 CPU milliseconds on a quiet core; the ratio is of one run and holds on a busy one too.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from figures import ROOT, children_cpu, figure, program, rows, tree_cpu

TASKS, CASES, ROUNDS = 80, 5, 3


def ours(tasks: list[dict], tier: str) -> list[tuple[float, float]]:
    """CPU milliseconds a test and tests a second, first with set-ups, then without; empty where the tier does not work here."""
    server = subprocess.Popen(
        [program("real-sandbox"), "serve", "--listen", "127.0.0.1:0", "--tier", tier],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().removeprefix("listening on ").strip()
        if not url:
            return []
        batches = [
            {
                "program": task["execute_sql"],
                "setup": {"script": task["construct_db"]},
                "comparison": {"policy": "fuzzy"},
                "tests": [
                    {"kind": "stdin", "stdin": case["input"], "stdout": case["output"]}
                    for case in task["test_cases"][:CASES]
                ],
            }
            for task in tasks
        ]
        post(url, batches[0])
        figures = []
        for part in [batches, batches * ROUNDS]:
            cpu, start, passed, tests = tree_cpu(server.pid), time.monotonic(), 0, 0
            for batch in part:
                answer = post(url, batch)
                tests += len(batch["tests"])
                passed += sum(result["status"] == "passed" for result in answer["results"])
            if passed != tests:
                sys.exit(f"sandbox: {passed} of {tests} tests of reference programs passed")
            figures.append(((tree_cpu(server.pid) - cpu) / tests * 1e3, tests / (time.monotonic() - start)))
        return figures
    finally:
        server.terminate()
        server.wait()


def post(url: str, batch: dict) -> dict:
    request = urllib.request.Request(
        f"{url}/v1/batch", data=json.dumps(batch).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def plain(tasks: list[dict]) -> tuple[float, float]:
    """CPU milliseconds a test and tests a second of the paper's way."""
    python = subprocess.check_output([ROOT / "scripts" / "cache-dir"], text=True).strip() + "/python/bin/python3"
    cpu, start, tests = children_cpu(), time.monotonic(), 0
    for task in tasks:
        for case in task["test_cases"][:CASES]:
            with tempfile.TemporaryDirectory() as folder:
                for name in ("construct_db", "execute_sql"):
                    Path(folder, name + ".py").write_text(task[name])
                    subprocess.run(
                        [python, name + ".py"],
                        input=case["input"],
                        text=True,
                        cwd=folder,
                        capture_output=True,
                        check=False,
                    )
            tests += 1
    return (children_cpu() - cpu) / tests * 1e3, tests / (time.monotonic() - start)


def recorded_prompts(task: dict) -> bool:
    """Whether the expected outputs still hold prompts of `input()`, which neither side counts as output."""
    prompts = re.findall(r"""input\(["'](.+?)["']\)""", task["execute_sql"])
    return any(prompt.strip() in case["output"] for prompt in prompts for case in task["test_cases"])


def main() -> None:
    tasks = [task for task in rows("safesql-train.parquet") if not recorded_prompts(task)][:TASKS]
    peer, (peer_cpu, peer_rate) = "plain subprocess, no isolation", plain(tasks[:20])
    for tier in "AB":
        parts = ["with set-up", "set up before"]
        for part, (cpu, rate) in zip(parts, ours(tasks, tier)):
            figure(f"sandbox tier {tier}, SafeSQL, {part}", "cpu ms", cpu, peer, peer_cpu)
            figure("the same, one request at a time", "tests/s", rate, peer, peer_rate, True)


if __name__ == "__main__":
    main()
