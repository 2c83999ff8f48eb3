"""Detector: CPU milliseconds a program beside `ast.parse` (a floor for anything written in Python) and bandit.

Programs: SafeSQL's execute_sql and both variants of SecCodePLT+. Start-up is counted in ours, not in the peers'.
"""

import ast
import json
import subprocess
import sys

from figures import children_cpu, figure, own_cpu, program, rows


def programs() -> list[str]:
    sql = [row["execute_sql"] for row in rows("safesql-train.parquet")]
    pairs = []
    for row in rows("seccodeplt-train.parquet"):
        truth = row["ground_truth"]
        for variant in ("vulnerable_code", "patched_code"):
            pairs.append(truth["code_before"] + truth[variant] + truth["code_after"])
    return sql + pairs


def ours(codes: list[str], *flags: str) -> float:
    return total(codes, *flags) / len(codes)


def total(codes: list[str], *flags: str) -> float:
    """CPU milliseconds for all programs."""
    lines = "".join(json.dumps({"id": str(i), "code": code}) + "\n" for i, code in enumerate(codes))
    before = children_cpu()
    done = subprocess.run(
        [program("real-detector"), "check", "--jsonl", *flags], input=lines, text=True, capture_output=True, check=False
    )
    cpu = children_cpu() - before
    if len(done.stdout.splitlines()) != len(codes):
        sys.exit(f"real-detector answered {len(done.stdout.splitlines())} of {len(codes)} programs:\n{done.stderr}")
    return cpu * 1e3


def parse(codes: list[str]) -> float:
    before = own_cpu()
    for code in codes:
        try:
            ast.parse(code)
        except SyntaxError:
            pass
    return (own_cpu() - before) / len(codes) * 1e3


def bandit(codes: list[str]) -> float:
    import io
    import logging

    from bandit.core import config, manager

    logging.disable(logging.CRITICAL)
    before = own_cpu()
    for code in codes:
        one = manager.BanditManager(config.BanditConfig(), "file")
        one._parse_file("program.py", io.BytesIO(code.encode()), [])
    return (own_cpu() - before) / len(codes) * 1e3


def mypy(codes: list[str]) -> float:
    import tempfile
    from pathlib import Path

    from figures import ROOT

    cache = subprocess.check_output([ROOT / "scripts" / "cache-dir"], text=True).strip()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")
        # One run first, so that the peer too starts with a warm cache.
        before = children_cpu()
        for i, code in enumerate(["x: int = 1\n", *codes]):
            path.write_text(code)
            if i == 1:
                before = children_cpu()
            subprocess.run(
                [f"{cache}/python/bin/python3", "-m", "mypy", "--strict", "--cache-dir", f"{folder}/cache", path],
                capture_output=True, check=False,
            )  # fmt: skip
        return (children_cpu() - before) / len(codes) * 1e3


def main() -> None:
    codes = programs()
    mine = ours(codes)
    what = f"detector, {len(codes)} programs"
    figure(what, "cpu ms", mine, "ast.parse", parse(codes))
    figure(what, "cpu ms", mine, "bandit, in process", bandit(codes))
    # From everywhere in the list, so that both data sets are there.
    few, many = codes[::8][:200], codes[:1200]
    peer = mypy(few[::20])
    first = total(few, "--types")
    figure("mypy --strict, 200 programs, start included", "cpu ms", first / len(few), "mypy, warm cache", peer)
    more = (total(many, "--types") - first) / (len(many) - len(few))
    figure("mypy --strict, 1,000 more", "cpu ms", more, "mypy, warm cache", peer)


if __name__ == "__main__":
    main()
