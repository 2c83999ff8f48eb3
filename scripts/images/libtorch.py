"""What of a libtorch prefix a program needs at run time."""

import re
import subprocess
from pathlib import Path

import elf
from errors import Problem
from tree import Entry, Tree

# The prefix's own folder is `torch` in the image, whatever its name is outside; CUDA's libraries lie beside it.
TORCH, BESIDE = "opt/libtorch/torch", "opt/libtorch"


def files(prefix: Path) -> dict[str, Path]:
    """Path in the image -> file. CPU: what `libtorch.so` needs. CUDA: every library, for many are opened by name."""
    lib = prefix / "lib"
    if not (lib / "libtorch.so").exists():
        raise Problem(
            f"{lib}/libtorch.so is missing: LIBTORCH has to name a libtorch prefix, or run scripts/fetch-libtorch"
        )
    if (lib / "libtorch_cuda.so").exists():
        own = [path for path in lib.iterdir() if ".so" in path.name and "python" not in path.name]
        beside = [path for path in (prefix.parent / "nvidia").rglob("*") if ".so" in path.name]
        return {_place(prefix, path): path for path in sorted([*own, *beside]) if path.is_file()}
    found: dict[str, Path] = {}
    waiting = [lib / "libtorch.so"]
    while waiting:
        path = waiting.pop()
        place = _place(prefix, path)
        if place in found:
            continue
        found[place] = path
        with path.open("rb") as file:
            part = elf.read(file)
        for name in part.needed if part else []:
            folders = (
                [Path(str(folder).replace("$ORIGIN", str(path.parent))) for folder in part.run_path] if part else []
            )
            # Others come from Debian's packages, which is checked where the image is put together.
            waiting += [(folder / name).resolve() for folder in folders if (folder / name).exists()][:1]
    return dict(sorted(found.items()))


def add(prefix: Path, tree: Tree, work: Path) -> None:
    """Adds the libraries to a tree, libtorch's own without the fifth of them that is symbols for debuggers."""
    for place, path in files(prefix).items():
        if path.name.startswith(("libtorch_", "libc10")):
            stripped = work / path.name
            command = ["strip", "--strip-unneeded", "-o", str(stripped), str(path)]
            if subprocess.run(command).returncode != 0:
                raise Problem(f"`{' '.join(command)}` failed; what it says is above")
            path = stripped
        tree.add(place, Entry(mode=0o644, path=path))


def identity(prefix: Path) -> str:
    """Changes when the libraries do."""
    return "".join(
        f"{place} {path.stat().st_size} {path.stat().st_mtime_ns}\n" for place, path in files(prefix).items()
    )


def components(prefix: Path) -> list[tuple[str, str]]:
    """Name and version of libtorch and of what of CUDA lies beside it."""
    version = prefix / "build-version"
    found = [("libtorch", version.read_text().strip() if version.exists() else "unknown")]
    for place in files(prefix):
        if "/nvidia/" in place and (match := re.search(r"/lib([\w-]+)\.so\.([\d.]+)$", place)):
            found.append((match[1], match[2]))
    return found


def _place(prefix: Path, path: Path) -> str:
    prefix, path = prefix.resolve(), path if path.is_symlink() else path.resolve()
    if path.is_relative_to(prefix):
        return f"{TORCH}/{path.relative_to(prefix)}"
    return f"{BESIDE}/{path.relative_to(prefix.parent)}"
