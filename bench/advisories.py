"""Detector: functions of published packages before and after an advisory, by CWE.

usage: bench/advisories.py [looked|held|later|all] [--files]        (opt-in: fetches some 200 wheels, one after the other)

`advisories.tsv` names them: package, vulnerable and fixed version, CWE, file, function. `pip download` fetches wheels alone, of which nothing is
run; the named files are kept under $REAL_ADVISORIES (a folder in the temporary one where unset). A function is analysed as it stands, cut out of
its file without imports; with `--files` also its whole file, of which the findings within the function count. A finding counts where its CWE is of
the label's family. `held` are the packages whose name's SHA-256 begins with an odd byte: they were labelled before, and counted after, rules were
written. `later` are those below the line that says so in the list: they were added in one go, and labelled before the rules were changed again.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from figures import program

CACHE = Path(os.environ.get("REAL_ADVISORIES", Path(tempfile.gettempdir()) / "real-advisories"))
PYTHONS = ("3.11", "3.8", "3.6", "2.7")
PLATFORMS = ("any", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64")
FAMILIES = (
    {89},
    {77, 78, 88},
    {74, 94, 95, 1336},
    {74, 79, 80},
    {22, 23, 36, 73},
    {295, 347},
    {327, 328, 326, 760},
    {601, 918},
)


class Site(NamedTuple):
    package: str
    vulnerable: str
    fixed: str
    cwe: int
    file: str
    function: str
    is_later: bool

    def part(self) -> str:
        if self.is_later:
            return "later"
        return "held" if hashlib.sha256(self.package.encode()).digest()[0] % 2 == 1 else "looked"


def sites() -> list[Site]:
    lines = (Path(__file__).parent / "advisories.tsv").read_text().splitlines()
    later = lines.index("# later")
    rows = [(at > later, line.split("\t")) for at, line in enumerate(lines) if not line.startswith("#")]
    return [Site(package, old, new, int(cwe), file, name, late) for late, (package, old, new, cwe, file, name) in rows]


def source(site: Site, version: str, wanted: set[str]) -> str | None:
    """The text of the site's file in a version; none where the registry has no wheel of it."""
    folder = CACHE / f"{site.package}-{version}"
    if not folder.exists():
        fetch(site.package, version, folder, wanted)
    path = folder / site.file
    return path.read_text(errors="replace") if path.exists() else None


def fetch(package: str, version: str, folder: Path, wanted: set[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for python in PYTHONS:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--ignore-requires-python",
                "-d",
                scratch,
            ]
            command += ["--only-binary", ":all:", "--python-version", python]
            command += [word for platform in PLATFORMS for word in ("--platform", platform)]
            done = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                for name in wanted.intersection(packed.namelist()):
                    packed.extract(name, folder)


def functions(text: str) -> dict[str, tuple[int, int]]:
    """First and last line of every function, by its qualified name."""
    found: dict[str, tuple[int, int]] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
                found.setdefault(prefix + child.name, (first, child.end_lineno or first))
            elif isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.If | ast.Try | ast.With):
                walk(child, prefix)

    walk(ast.parse(text), "")
    return found


def findings(codes: list[str]) -> list[list[tuple[int, int]]]:
    """CWE and line of what is found in each program."""
    lines = "".join(json.dumps({"id": str(at), "code": code}) + "\n" for at, code in enumerate(codes))
    command = [program("real-detector"), "check", "--jsonl"]
    done = subprocess.run(command, input=lines, text=True, capture_output=True, check=False)
    by_id = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    if len(by_id) != len(codes):
        sys.exit(f"real-detector answered {len(by_id)} of {len(codes)} programs:\n{done.stderr}")
    return [[(one["cwe"], one["line"]) for one in by_id[str(at)].get("findings", [])] for at in range(len(codes))]


def family(cwe: int) -> set[int]:
    return next((family for family in FAMILIES if cwe in family), {cwe})


def main() -> None:
    half = next((word for word in sys.argv[1:] if word in ("looked", "held", "later")), "all")
    whole_files = "--files" in sys.argv
    chosen = [site for site in sites() if half in ("all", site.part())]
    wanted: dict[str, set[str]] = defaultdict(set)
    for site in chosen:
        wanted[site.package].add(site.file)
    programs: list[tuple[Site, str, str, tuple[int, int]]] = []
    for site in chosen:
        for which, version in (("vulnerable", site.vulnerable), ("fixed", site.fixed)):
            text = source(site, version, wanted[site.package])
            if text is None:
                print(f"left out: {site.package} {version} has no wheel with {site.file}", file=sys.stderr)
                continue
            lines = functions(text).get(site.function)
            if lines is None:
                # The mend took the function away.
                continue
            cut = "".join(text.splitlines(keepends=True)[lines[0] - 1 : lines[1]])
            programs.append((site, which, textwrap.dedent(cut), (1, sys.maxsize)))
            if whole_files:
                programs.append((site, f"{which} file", text, lines))
    columns = ["vulnerable", "fixed"] + (["vulnerable file", "fixed file"] if whole_files else [])
    counts: dict[tuple[object, str], list[int]] = defaultdict(lambda: [0, 0])
    for (site, which, _, (first, last)), found in zip(programs, findings([one[2] for one in programs]), strict=True):
        hit = any(cwe in family(site.cwe) and first <= line <= last for cwe, line in found)
        for row in (site.cwe, "all"):
            counts[row, which][0] += 1
            counts[row, which][1] += hit
    print("| CWE | " + " | ".join(f"{column}, reported" for column in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in [*sorted({site.cwe for site in chosen}), "all"]:
        print(f"| {row} | " + " | ".join("{1} of {0}".format(*counts[row, column]) for column in columns) + " |")


if __name__ == "__main__":
    main()
