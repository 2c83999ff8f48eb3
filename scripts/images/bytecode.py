"""Byte code for a layer's modules: a read-only root keeps none, and sympy takes seconds to compile.

The image's own Python compiles, through the image's own loader, so that neither root nor a certain Python is needed on
the host. The files do not ask for their sources' times or hashes, which is safe where nothing can be written.
"""

import subprocess
import tarfile
import tempfile
from pathlib import Path

from errors import Problem
from tree import Entry, Tree

LIBRARIES = "usr/lib/x86_64-linux-gnu"
# One process and one order: what is written can depend on what was compiled before.
DRIVER = """
import py_compile, sys
root, mode = sys.argv[1], py_compile.PycInvalidationMode.UNCHECKED_HASH
for line in sys.stdin:
    path = line.rstrip("\\n")
    try:
        py_compile.compile(f"{root}/{path}", dfile=f"/{path}", invalidation_mode=mode, doraise=True)
    except py_compile.PyCompileError:
        pass  # Some are templates or for another Python.
"""


def add(tree: Tree, below: list[Path]) -> None:
    """Adds byte code of all modules in a tree; `below` are the layers it will lie upon."""
    modules = sorted(path for path, entry in tree.entries.items() if path.endswith(".py") and entry.content is not None)
    with tempfile.TemporaryDirectory(prefix="build-images-") as folder:
        root = Path(folder)
        for layer in below:
            with tarfile.open(layer) as archive:
                archive.extractall(root, filter="tar")
        tree.write(root / "layer.tar", 0)
        with tarfile.open(root / "layer.tar") as archive:
            archive.extractall(root, filter="tar")
        loader = [f"{root}/{LIBRARIES}/ld-linux-x86-64.so.2", "--library-path", f"{root}/{LIBRARIES}"]
        done = subprocess.run(
            [*loader, f"{root}/usr/bin/python3.11", "-B", "-P", "-S", "-c", DRIVER, str(root)],
            input="\n".join(modules),
            env={"PYTHONHOME": f"{root}/usr", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise Problem(f"the image's Python could not compile its modules: {done.stderr.strip()[-500:]}")
        for path in modules:
            parent, _, name = path.rpartition("/")
            place = f"{parent}/__pycache__/{name.removesuffix('.py')}.cpython-311.pyc"
            if (root / place).exists():
                tree.add(place, Entry(mode=0o644, content=(root / place).read_bytes()))
