"""Debian packages: fetched and verified by apt, without root and beside the host's own state; unpacked here."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from errors import Problem
from tree import Entry, Tree

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = "".join(
    f"deb [signed-by={KEYRING}] http://deb.debian.org/{archive} {suite} main\n"
    for archive, suite in [
        ("debian", "bookworm"),
        ("debian", "bookworm-updates"),
        ("debian-security", "bookworm-security"),
    ]
)


@dataclass(frozen=True)
class Package:
    """A package of a certain version, as the lock has it."""

    name: str
    version: str
    sha256: str

    def path(self, folder: Path) -> Path:
        """Where its file is kept."""
        return folder / f"{self.name}_{self.version.replace(':', '%3a')}_{self.sha256[:16]}.deb"


def read_lock(path: Path) -> dict[str, Package]:
    """The lock: name, version, sha256 a line."""
    lines = path.read_text().splitlines() if path.exists() else []
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: Package(name, version, digest) for name, version, digest in fields}


def write_lock(path: Path, packages: dict[str, Package]) -> None:
    """Writes the lock."""
    lines = [f"{p.name} {p.version} {p.sha256}\n" for p in sorted(packages.values(), key=lambda p: p.name)]
    path.write_text(
        f"# Debian packages of the images. `scripts/build-images --update` writes this file.\n{''.join(lines)}"
    )


class Apt:
    """apt with a state of its own below a folder of the cache."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which("apt-get"):
            raise Problem("apt-get is missing: images are made of Debian packages, fetched and verified by apt")
        if not Path(KEYRING).exists():
            raise Problem(f"{KEYRING} is missing: install debian-archive-keyring")
        self.folder = folder
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        own = os.environ.get("REAL_DEBIAN_SOURCES")
        (folder / "sources.list").write_text(Path(own).read_text() if own else SOURCES)
        options = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            # A snapshot is old by nature.
            "Acquire::Check-Valid-Until": "false" if own else "true",
        }
        self.command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
        done = subprocess.run([*self.command, "update"], capture_output=True, text=True)
        # apt only warns about an archive that is out of reach.
        if done.returncode != 0 or "Failed to fetch" in done.stderr:
            raise Problem(
                f"Debian's archive is out of reach (REAL_DEBIAN_SOURCES names other sources):\n{done.stderr.strip()}"
            )

    def offers(self, names: list[str]) -> dict[str, Package]:
        """The newest version of each package."""
        text = self._run(["download", "--print-uris", *names])
        found = {}
        for file, digest in re.findall(r"^'.*' (\S+) \d+ SHA256:([0-9a-f]{64})$", text, re.MULTILINE):
            name, version, _ = file.split("_")
            found[name] = Package(name, unquote(version), digest)
        if missing := sorted(set(names) - set(found)):
            raise Problem(f"Debian bookworm has no package {', '.join(missing)}")
        return found

    def download(self, packages: list[Package], to: Path) -> None:
        """Fetches packages; apt compares them with the signed lists, and they are compared with what was asked for."""
        work = self.folder / "download"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        self._run(["download", *(f"{package.name}={package.version}" for package in packages)], work)
        there = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in work.iterdir()}
        for package in packages:
            if package.sha256 not in there:
                raise Problem(
                    f"what Debian has as {package.name} {package.version} is not what debian.lock says by its sha256"
                )
            there[package.sha256].rename(package.path(to))

    def _run(self, arguments: list[str], folder: Path | None = None) -> str:
        done = subprocess.run([*self.command, *arguments], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Problem(f"apt-get {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def unpack(deb: Path, tree: Tree) -> str:
    """Adds a package's files and a record of it to a tree. Its control file."""
    members = _members(deb.read_bytes())
    control = next(body for name, body in members.items() if name.startswith("control.tar"))
    data = next(body for name, body in members.items() if name.startswith("data.tar"))
    with tarfile.open(fileobj=io.BytesIO(control)) as archive:
        text = _text(archive, "./control")
        sums = _text(archive, "./md5sums") if "./md5sums" in archive.getnames() else ""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            if path in ("", "."):
                continue
            if member.isdir():
                tree.add(path, Entry())
            elif member.issym():
                tree.add(path, Entry(link=member.linkname))
            elif file := archive.extractfile(member):
                # No set-uid; what root may execute or read, all may.
                tree.file(path, file.read(), 0o755 if member.mode & 0o100 else 0o644)
    name = deb.name.split("_")[0]
    # As in distroless images: scanners find packages by it.
    tree.file(f"var/lib/dpkg/status.d/{name}", text)
    tree.file(f"var/lib/dpkg/status.d/{name}.md5sums", sums)
    return text


def _text(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    return file.read().decode() if file else ""


def _members(archive: bytes) -> dict[str, bytes]:
    """The files in an `ar` archive."""
    if archive[:8] != b"!<arch>\n":
        raise Problem("a downloaded package is no Debian package")
    members, at = {}, 8
    while at + 60 <= len(archive):
        name, size = archive[at : at + 16].decode().strip().rstrip("/"), int(archive[at + 48 : at + 58])
        members[name] = archive[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return members
