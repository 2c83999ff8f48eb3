"""What a program or library asks of others: their names, their versions, and where they are looked for."""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 5, 14, 15, 29
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF


@dataclass
class Elf:
    """The dynamic part of one 64-bit little-endian file."""

    needed: list[str] = field(default_factory=list)
    run_path: list[str] = field(default_factory=list)
    # Library -> versions that are asked of it.
    versions_needed: dict[str, list[str]] = field(default_factory=dict)
    versions_defined: list[str] = field(default_factory=list)


def read(file: BinaryIO) -> Elf | None:
    """The dynamic part of a file, or nothing where it is no ELF file or has none."""
    header = _at(file, 0, 64)
    if header[:6] != b"\x7fELF\x02\x01":
        return None
    (offset,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<HH", header, 54)
    segments = []
    for i in range(count):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", _at(file, offset + i * size, 48))
        segments.append((kind, start, address, length))
    dynamic = next(((start, length) for kind, start, _, length in segments if kind == PT_DYNAMIC), None)
    if dynamic is None:
        return None

    def place(address: int) -> int:
        for kind, start, first, length in segments:
            if kind == PT_LOAD and first <= address < first + length:
                return start + address - first
        raise ValueError(f"address {address:#x} is in no segment")

    table: dict[int, list[int]] = {}
    for tag, value in struct.iter_unpack("<qQ", _at(file, *dynamic)):
        if tag == 0:
            break
        table.setdefault(tag, []).append(value)
    strings = place(table[DT_STRTAB][0])

    def text(index: int) -> str:
        part = _at(file, strings + index, 4096)
        return part[: part.index(0)].decode()

    elf = Elf(needed=[text(index) for index in table.get(DT_NEEDED, [])])
    for tag in (DT_RUNPATH, DT_RPATH):
        if tag in table:
            elf.run_path = [part for part in text(table[tag][0]).split(":") if part]
            break
    if DT_VERNEED in table:
        here = place(table[DT_VERNEED][0])
        for _ in range(table[DT_VERNEEDNUM][0]):
            _, parts, name, first, following = struct.unpack("<HHIII", _at(file, here, 16))
            versions, part = [], here + first
            for _ in range(parts):
                _, flags, _, version, after = struct.unpack("<IHHII", _at(file, part, 16))
                # A weak one may be missing.
                versions += [] if flags & 2 else [text(version)]
                part += after
            elf.versions_needed[text(name)] = versions
            here += following
    if DT_VERDEF in table:
        here = place(table[DT_VERDEF][0])
        for _ in range(table[DT_VERDEFNUM][0]):
            *_, first, following = struct.unpack("<HHHHIII", _at(file, here, 20))
            elf.versions_defined.append(text(struct.unpack("<I", _at(file, here + first, 4))[0]))
            here += following
    return elf


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
