"""Detector: what the names in a data set do for its figures. Opt-in; needs SecCodePLT+ and the rules' sources.

Prints recall and false positives by CWE three times:

* `as it is`;
* `rare words renamed`: words of our rules and sources that occur in the programs of one CWE alone, and in no file of Python's library or of the
  packages installed beside this script's Python, are renamed in the programs of that CWE, wherever they stand: what a rule for that CWE could
  have learnt from those programs and from nowhere else is gone (a CWE left out);
* `own names renamed`: every function, class, parameter and variable that a program binds itself is called n0, n1, …; attributes, keys, texts and
  imported names stay.
"""

import ast
import json
import re
import site
import subprocess
import sysconfig
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml
from figures import ROOT, program, rows

DETECTOR = ROOT / "detector"
WORD = re.compile(r"[A-Za-z_]\w{2,}")
TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
# Parts of a rule that are for people, or that only test it.
PROSE = {"title", "what", "why", "message", "fix", "bad", "good"}


class Program(NamedTuple):
    cwe: str
    is_vulnerable: bool
    code: str


def programs() -> list[Program]:
    found = []
    for row in rows("seccodeplt-train.parquet"):
        truth = row["ground_truth"]
        for variant in ("vulnerable_code", "patched_code"):
            code = truth["code_before"] + truth[variant] + truth["code_after"]
            found.append(Program(row["CWE_ID"], variant == "vulnerable_code", code))
    return found


def rule_words() -> set[str]:
    """Words that analysis goes by: those of the rules, and of the texts in the sources."""

    def of(value: object) -> Iterable[str]:
        if isinstance(value, dict):
            for key, part in value.items():
                if key not in PROSE:
                    yield from WORD.findall(str(key))
                    yield from of(part)
        elif isinstance(value, list):
            for part in value:
                yield from of(part)
        elif isinstance(value, str):
            yield from WORD.findall(value)

    words = set()
    for path in (DETECTOR / "rules").glob("*/*.yaml"):
        words.update(of(yaml.safe_load(path.read_text())))
    for path in (DETECTOR / "src").rglob("*.rs"):
        source = re.sub(r"//.*", "", path.read_text().split("#[cfg(test)]")[0])
        for text in TEXT.findall(source):
            words.update(WORD.findall(text))
    return words


def elsewhere() -> set[str]:
    """Words of Python's library and of the packages that are installed."""
    words = set()
    for folder in (sysconfig.get_paths()["stdlib"], *site.getsitepackages()):
        for path in Path(folder).rglob("*.py"):
            words.update(WORD.findall(path.read_text(errors="replace")))
    return words


def rare(found: list[Program]) -> dict[str, set[str]]:
    """By CWE, the words of ours that occur in its programs and nowhere else."""
    by_word = defaultdict(set)
    for one in found:
        for word in WORD.findall(one.code):
            by_word[word].add(one.cwe)
    rare_words = defaultdict(set)
    for word in rule_words() - elsewhere():
        if len(by_word[word]) == 1:
            rare_words[next(iter(by_word[word]))].add(word)
    return rare_words


def without(words: set[str], code: str) -> str:
    renamed = {word: f"w{number}" for number, word in enumerate(sorted(words))}
    return WORD.sub(lambda match: renamed.get(match[0], match[0]), code)


class Renaming(ast.NodeTransformer):
    """Gives a program's own names other ones."""

    def __init__(self, tree: ast.AST) -> None:
        imported, bound, self.callable = {"self", "cls"}, [], set()
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        methods = {part for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
        for node in ast.walk(tree):
            match node:
                case ast.Import() | ast.ImportFrom():
                    imported.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
                case ast.ClassDef():
                    bound.append(node.name)
                    self.callable.add(node.name)
                # Methods are attributes, and those stay.
                case ast.FunctionDef() | ast.AsyncFunctionDef() if node not in methods:
                    bound.append(node.name)
                    self.callable.add(node.name)
                case ast.arg():
                    bound.append(node.arg)
                case ast.Name(ctx=ast.Store()):
                    bound.append(node.id)
                case ast.ExceptHandler(name=str()):
                    bound.append(node.name)
        own = dict.fromkeys(name for name in bound if name not in imported and not name.startswith("__"))
        self.names = {name: f"n{number}" for number, name in enumerate(own)}
        self.methods = {node for node in methods if isinstance(node, functions)}

    def new(self, name: str) -> str:
        return self.names.get(name, name)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in self.callable:
            for keyword in node.keywords:
                keyword.arg = keyword.arg and self.new(keyword.arg)
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        match node:
            case ast.Name():
                node.id = self.new(node.id)
            case ast.arg():
                node.arg = self.new(node.arg)
            case ast.Global() | ast.Nonlocal():
                node.names = [self.new(name) for name in node.names]
            case ast.ExceptHandler(name=str()) | ast.ClassDef():
                node.name = self.new(node.name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node not in self.methods:
                node.name = self.new(node.name)
        return super().generic_visit(node)


def anonymous(code: str) -> str:
    tree = ast.parse(code)
    return ast.unparse(Renaming(tree).visit(tree))


def table(title: str, found: list[Program]) -> None:
    lines = "".join(json.dumps({"id": str(at), "code": one.code}) + "\n" for at, one in enumerate(found))
    done = subprocess.run(
        [program("real-detector"), "check", "--jsonl"], input=lines, text=True, capture_output=True, check=False
    )
    answers = {int(answer["id"]): answer for answer in map(json.loads, done.stdout.splitlines())}
    counts = defaultdict(lambda: [0, 0, 0, 0])
    for at, one in enumerate(found):
        for key in (one.cwe, "all"):
            place = 0 if one.is_vulnerable else 2
            counts[key][place] += 1
            counts[key][place + 1] += bool(answers[at]["findings"])
    print(f"\n{title}\n{'CWE':>5} {'pairs':>6} {'R':>5} {'FPR':>5} {'J':>6}")
    for cwe, (bad, hit, good, alarm) in sorted(counts.items(), key=lambda row: (row[0] == "all", row[0].zfill(6))):
        print(f"{cwe:>5} {bad:>6} {hit / bad:>5.2f} {alarm / good:>5.2f} {hit / bad - alarm / good:>6.2f}")


def main() -> None:
    found = programs()
    words = rare(found)
    table("as it is", found)
    for cwe, own in sorted(words.items()):
        print(f"\nrare words of {cwe}: {', '.join(sorted(own))}")
    table("rare words renamed", [one._replace(code=without(words[one.cwe], one.code)) for one in found])
    table("own names renamed", [one._replace(code=anonymous(one.code)) for one in found])


if __name__ == "__main__":
    main()
