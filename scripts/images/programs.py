"""Our programs, built so that nothing of the machine that builds them is in them."""

import os
import subprocess
from pathlib import Path

from errors import Problem

TARGET = "x86_64-unknown-linux-gnu"
# Where the image has libtorch; LD_LIBRARY_PATH of a CUDA base wins over it.
RUNPATH = "/opt/libtorch/torch/lib"


def _prefixes(root: Path, libtorch: Path, target_dir: Path) -> list[tuple[str, str]]:
    """Folders whose names would get into programs by panics and assertions, and what is written in their place."""
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    compiler = subprocess.check_output(["rustc", "-vV"], text=True)
    commit = next(line.split()[1] for line in compiler.splitlines() if line.startswith("commit-hash"))
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    pairs = [(f"{sysroot}/lib/rustlib/src/rust", f"/rustc/{commit}"), (str(cargo), "/cargo")]
    # Each folder is named after the registry's host.
    pairs += [(str(path), "/cargo/registry") for path in sorted((cargo / "registry/src").glob("*"))]
    pairs += [(str(root), "/real"), (str(target_dir), "/target"), (str(libtorch.parent), "/opt/libtorch")]
    # The last that fits wins.
    return sorted(pairs, key=lambda pair: len(pair[0]))


def build(root: Path, names: list[str], libtorch: Path, target_dir: Path) -> dict[str, Path]:
    """Builds programs with the profile `image`; cargo does nothing where nothing has changed."""
    # Sources have to be there before their folders' names are known.
    _run(["cargo", "fetch", "--quiet", "--locked", "--target", TARGET], root, {})
    prefixes = _prefixes(root, libtorch, target_dir)
    c_flags = " ".join(f"-ffile-prefix-map={old}={new}" for old, new in prefixes)
    environment = {
        "CARGO_TARGET_DIR": str(target_dir),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(f"--remap-path-prefix={old}={new}" for old, new in prefixes),
        "CFLAGS": c_flags,
        "CXXFLAGS": c_flags,
        "LIBTORCH": str(libtorch),
        "REAL_LIBTORCH_RUNPATH": RUNPATH,
    }
    packages = [part for name in names for part in ("--package", name, "--bin", name)]
    _run(["cargo", "build", "--profile", "image", "--locked", *packages], root, environment)
    return {name: target_dir / "image" / name for name in names}


def _run(command: list[str], root: Path, environment: dict[str, str]) -> None:
    if subprocess.run(command, cwd=root, env={**os.environ, **environment}).returncode != 0:
        raise Problem(f"`{' '.join(command)}` failed; what it says is above")
