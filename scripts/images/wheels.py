"""Python packages: wheels that pip fetches by hash, unpacked here."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from errors import Problem
from tree import Tree

# Where Debian's Python looks for what is not Debian's.
SITE = "usr/local/lib/python3.11/dist-packages"
PLATFORM = [
    "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64", "--platform=manylinux_2_27_x86_64", "--platform=manylinux_2_28_x86_64",
]  # fmt: skip


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel."""

    name: str
    version: str
    sha256: str


def read_lock(path: Path) -> list[Wheel]:
    """The lock, which is a requirements file of pip's with one hash each."""
    pattern = re.compile(r"^(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
    return [Wheel(*match) for match in pattern.findall(path.read_text() if path.exists() else "")]


def update_lock(lock: Path, requirements: Path, cache: Path, work: Path) -> None:
    """Writes the lock: what pip takes for the requirements now."""
    shutil.rmtree(work, ignore_errors=True)
    _pip(cache, ["-d", str(work), "-r", str(requirements)], "the packages of scripts/requirements.txt")
    lines = []
    for path in sorted(work.iterdir(), key=lambda path: path.name.lower()):
        name, version = path.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{sha256(path.read_bytes()).hexdigest()}\n")
    head = "# Wheels of the images: scripts/requirements.txt and all it needs. `scripts/build-images --update` writes this file.\n"
    lock.write_text(head + "".join(lines))


def download(lock: Path, cache: Path, folder: Path) -> list[Path]:
    """The wheels of the lock, fetched where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {wheel.sha256 for wheel in read_lock(lock)}

    def there() -> dict[str, Path]:
        digests = {sha256(path.read_bytes()).hexdigest(): path for path in folder.glob("*.whl")}
        return {digest: path for digest, path in digests.items() if digest in wanted}

    if there().keys() != wanted:
        _pip(cache, ["-d", str(folder), "--no-deps", "--require-hashes", "-r", str(lock)], "the wheels of wheels.lock")
    return sorted(there().values())


def unpack(wheel: Path, tree: Tree) -> None:
    """Adds a wheel's modules to a tree. Its commands are left out: nobody calls them."""
    with zipfile.ZipFile(wheel) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            top, _, rest = info.filename.partition("/")
            if info.is_dir() or (top.endswith(".data") and not rest.startswith(("purelib/", "platlib/"))):
                continue
            path = rest.partition("/")[2] if top.endswith(".data") else info.filename
            tree.file(f"{SITE}/{path}", archive.read(info), 0o755 if info.external_attr >> 16 & 0o100 else 0o644)


def licence(wheel: Path) -> str | None:
    """The licence that a wheel declares as an SPDX expression, where it does."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return email.message_from_bytes(archive.read(name)).get("License-Expression")


def _pip(cache: Path, arguments: list[str], what: str) -> None:
    private = cache / "python/bin/python3"
    python = str(private) if private.exists() else sys.executable
    command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *PLATFORM, *arguments]
    if subprocess.run(command, env={**os.environ, "PIP_NO_INPUT": "1"}).returncode != 0:
        raise Problem(f"{what} could not be downloaded from the package index; what pip says is above")
