"""A layer's files, and the tar that always comes out the same."""

import fnmatch
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Debian's packages still install to these; the folders themselves are links into /usr.
MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass
class Entry:
    """A folder (nothing set but the mode), a link, or a file whose content is given or lies at a path."""

    mode: int = 0o755
    link: str | None = None
    content: bytes | None = None
    path: Path | None = None


class Tree:
    """Entries by their path without a leading slash."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, path: str, entry: Entry) -> None:
        """Adds an entry and the folders above it."""
        path = _merged(path)
        for parent in list(PurePosixPath(path).parents)[:-1]:
            self.entries.setdefault(str(parent), Entry())
        self.entries[path] = entry

    def file(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Adds a file with this content."""
        self.add(path, Entry(mode, content=content.encode() if isinstance(content, str) else content))

    def drop(self, patterns: list[str], keep: list[str]) -> None:
        """Takes out what fits a pattern, and folders that are empty for it."""
        chosen = {path for path in self.entries if _fits(path, patterns) and not _fits(path, keep)}
        left = {path: entry for path, entry in self.entries.items() if path not in chosen}
        parents = {str(parent) for path in left for parent in PurePosixPath(path).parents}
        gone = {str(parent) for path in chosen for parent in PurePosixPath(path).parents}
        for path in parents & chosen:
            left[path] = Entry()
        self.entries = {
            path: entry
            for path, entry in left.items()
            if path in parents or path not in gone or entry.link or entry.content is not None or entry.path
        }

    def write(self, out: Path, epoch: int) -> tuple[str, int]:
        """Writes the tar: sorted, owned by root, all of one time. Its digest and size."""
        with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in sorted(self.entries.items()):
                info = tarfile.TarInfo(path)
                info.mode, info.mtime = entry.mode, epoch
                if entry.link is not None:
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
                    archive.addfile(info)
                elif entry.content is not None:
                    info.size = len(entry.content)
                    archive.addfile(info, io.BytesIO(entry.content))
                elif entry.path is not None:
                    info.size = entry.path.stat().st_size
                    with entry.path.open("rb") as file:
                        archive.addfile(info, file)
                else:
                    info.type = tarfile.DIRTYPE
                    archive.addfile(info)
        with out.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), out.stat().st_size


def _merged(path: str) -> str:
    path = str(PurePosixPath(path))
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def _fits(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
