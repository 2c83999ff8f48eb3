"""Whether every library that a program in an image asks for is there, in a version that will do."""

import os
import posixpath
import tarfile
from contextlib import ExitStack
from typing import BinaryIO, cast

import elf
from errors import Problem
from oci import Layer

DEFAULT = ["usr/lib/x86_64-linux-gnu", "usr/lib"]


class Files:
    """Files and links of an image's layers, seen as one tree."""

    def __init__(self, layers: list[Layer], stack: ExitStack) -> None:
        self.members: dict[str, tuple[tarfile.TarFile, tarfile.TarInfo]] = {}
        for layer in layers:
            archive = stack.enter_context(tarfile.open(layer.path))
            self.members.update({member.name: (archive, member) for member in archive})

    def real(self, path: str) -> str | None:
        """Where a path leads, or nothing where it leads nowhere."""
        done: list[str] = []
        parts = [part for part in path.split("/") if part]
        for _ in range(200):
            if not parts:
                return "/".join(done)
            done.append(parts.pop(0))
            _, member = self.members.get("/".join(done), (None, None))
            if member is None:
                return None
            if member.issym():
                target = member.linkname
                whole = target if target.startswith("/") else posixpath.join(*done[:-1], target)
                parts = [part for part in posixpath.normpath(whole).split("/") if part] + parts
                done = []
        return None

    def elf(self, path: str) -> elf.Elf | None:
        archive, member = self.members[path]
        file = archive.extractfile(member)
        return elf.read(cast(BinaryIO, file)) if file and member.size >= 64 else None


def check(image: str, layers: list[Layer]) -> None:
    """Raises where a library or a version of it is missing, or where a link leads nowhere."""
    faults = []
    with ExitStack() as stack:
        files = Files(layers, stack)
        programs = {}
        for path, (_, member) in files.members.items():
            if member.issym() and files.real(path) is None:
                faults.append(f"/{path} leads to {member.linkname}, which is not there")
            if member.isfile() and (member.mode & 0o111 or ".so" in path) and (found := files.elf(path)):
                programs[path] = found
        for path, program in programs.items():
            folders = [_origin(folder, path) for folder in program.run_path]
            for name in program.needed:
                place = next(
                    (real for folder in [*folders, *DEFAULT] if (real := files.real(f"{folder}/{name}"))), None
                )
                if place is None:
                    faults.append(f"/{path} needs {name}, which no layer has")
                    continue
                library = programs.get(place)
                versions = program.versions_needed.get(name, [])
                missing = sorted(set(versions) - set(library.versions_defined)) if library else []
                if missing:
                    hint = ""
                    if name == "libc.so.6":
                        hint = ": it was built where the C library is newer than Debian 12's; build on Debian 12"
                    faults.append(f"/{path} needs {name} with {', '.join(missing)}, which /{place} lacks{hint}")
    if faults:
        raise Problem(f"{image} would not work:\n  " + "\n  ".join(sorted(faults)))


def _origin(folder: str, path: str) -> str:
    folder = folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", "/" + os.path.dirname(path))
    return posixpath.normpath(folder).lstrip("/")
