"""Our programs, built so that nothing of the machine that builds them is in them: those in images and those in bin/."""

import os
import subprocess
from pathlib import Path

from errors import Problem

TARGET = "x86_64-unknown-linux-gnu"
# Where the image has libtorch; LD_LIBRARY_PATH of a CUDA base wins over it.
RUNPATH = "/opt/libtorch/torch/lib"
# Beside a program in bin/ a link leads to it.
LINK = "libtorch"
PROFILE = "dist"
# Those that are not named after their package.
PACKAGES = {"real": "real-cli"}
# Built at once, whichever of them is asked for: they share most of their crates, which would be compiled once for each.
TOGETHER = [["real", "real-trainer"]]

Prefixes = list[tuple[str, str]]
SCRIPTS = Path(__file__).resolve().parent.parent


def printed(script: str) -> Path:
    """The folder that a script prints."""
    return Path(subprocess.check_output([str(SCRIPTS / script)], text=True).strip())


def libtorch() -> Path:
    """The libtorch to build with, fetched where none is given."""
    folder = Path(os.environ.get("LIBTORCH") or printed("fetch-libtorch"))
    if not folder.is_dir():
        raise Problem(f"LIBTORCH={folder} is no folder: run scripts/fetch-libtorch, or unset it")
    return folder


def _prefixes(target_dir: Path) -> Prefixes:
    """Folders whose names would get into programs by panics and assertions, and what is written in their place.

    The working tree is not among them: cargo calls it by relative paths, and a second one shares what was built.
    """
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    compiler = subprocess.check_output(["rustc", "-vV"], text=True)
    commit = next(line.split()[1] for line in compiler.splitlines() if line.startswith("commit-hash"))
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    pairs = [(f"{sysroot}/lib/rustlib/src/rust", f"/rustc/{commit}"), (str(cargo), "/cargo")]
    # Each folder is named after the registry's host.
    pairs += [(str(path), "/cargo/registry") for path in sorted((cargo / "registry/src").glob("*"))]
    pairs.append((str(target_dir), "/target"))
    # The last that fits wins.
    return sorted(pairs, key=lambda pair: len(pair[0]))


def build(root: Path, names: list[str], libtorch: Path) -> dict[str, Path]:
    """Builds programs with the profile `dist`; cargo does nothing where nothing has changed."""
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR") or printed("cache-dir") / "target").absolute()
    # Sources have to be there before their folders' names are known.
    _run(["cargo", "fetch", "--quiet", "--locked", "--target", TARGET], root, {})
    prefixes = _prefixes(target_dir)
    headers = [(str(libtorch.parent), "/opt/libtorch")]
    environment = {
        "CARGO_TARGET_DIR": str(target_dir),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(f"--remap-path-prefix={old}={new}" for old, new in prefixes),
        "CFLAGS": _c_flags(prefixes),
        "CXXFLAGS": _c_flags(prefixes + headers),
        "LIBTORCH": str(libtorch),
        "REAL_LIBTORCH_RUNPATH": f"$ORIGIN/{LINK}:{RUNPATH}",
    }
    private = [old for old, new in [*prefixes, *headers, (str(root), "")] if old != new]
    _run([str(SCRIPTS / "claim-target")], root, {"CARGO_TARGET_DIR": str(target_dir)})
    programs = {}
    for name in names:
        # No others at once: they would share features of crates, and each would depend on which others are built.
        group = next((group for group in TOGETHER if name in group), [name])
        which = [option for one in group for option in ("--package", PACKAGES.get(one, one), "--bin", one)]
        _run(["cargo", "build", "--profile", PROFILE, "--locked", *which], root, environment)
        programs[name] = target_dir / PROFILE / name
        content = programs[name].read_bytes()
        if found := [old for old in private if old.encode() in content]:
            raise Problem(
                f"{name} names {found[0]}, a folder of this machine; it would differ from one built elsewhere"
            )
    return programs


def _c_flags(prefixes: Prefixes) -> str:
    return " ".join(f"-ffile-prefix-map={old}={new}" for old, new in prefixes)


def _run(command: list[str], root: Path, environment: dict[str, str]) -> None:
    if subprocess.run(command, cwd=root, env={**os.environ, **environment}).returncode != 0:
        raise Problem(f"`{' '.join(command)}` failed; what it says is above")
