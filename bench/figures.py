"""What the benches share: where things are, how CPU time is read, how a figure is printed."""

import os
import resource
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "bin"
DATA = Path(os.environ.get("REAL_DATA_DIR", ROOT.parent / "shared" / "data"))
TICKS = os.sysconf("SC_CLK_TCK")


def rows(name: str) -> list[dict]:
    """Rows of one of the paper's parquet files; ends the bench with a message where it is absent."""
    import pyarrow.parquet as parquet

    path = DATA / name
    if not path.exists():
        print(f"skipped: {path} is absent (set REAL_DATA_DIR)")
        sys.exit(0)
    return parquet.read_table(path).to_pylist()


def program(name: str) -> Path:
    """One of our programs; ends the bench with a message where it is not built."""
    path = BIN / name
    if not path.exists():
        sys.exit(f"{path} is missing: run `make build`")
    return path


def children_cpu() -> float:
    """CPU seconds of all children waited for so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def own_cpu() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def tree_cpu(pid: int) -> float:
    """CPU seconds of a live process, its live descendants, and everything they have waited for."""
    total, todo = 0.0, [pid]
    while todo:
        current = todo.pop()
        try:
            fields = Path(f"/proc/{current}/stat").read_text().rsplit(")", 1)[1].split()
            children = [Path(p, "children").read_text() for p in Path(f"/proc/{current}/task").iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(t) for t in fields[11:15]) / TICKS
        todo += [int(p) for text in children for p in text.split()]
    return total


def figure(what: str, unit: str, ours: float, peer: str, theirs: float, higher_is_better: bool = False) -> None:
    """One line: our figure, the peer's, and how many times better ours is."""
    ratio = ours / theirs if higher_is_better else theirs / ours
    print(f"{what:<44} {ours:>10.3f} {unit:<12} {peer:<34} {theirs:>10.3f}   {ratio:>7.2f}x", flush=True)
