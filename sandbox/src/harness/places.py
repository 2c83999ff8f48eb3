"""Places that every test has for itself where no mount gives them (tier B): `/tmp` and `/dev/shm` lead into its box.

Nothing here is a wall: Landlock keeps everybody out of the real ones. Programs that name them find what they expect, where they go
through Python; a shell does not.
"""

import _io
import builtins
import functools
import io
import os
import posix
import pwd
import resource
import sqlite3
import sys

PLACES = (("/tmp", "tmp"), ("/dev/shm", "shm"))
# Functions of `os` whose first argument is a path, and those whose second is one too.
WITH_ONE_PATH = """access chdir chmod chown getxattr lchown listdir listxattr lstat mkdir mkfifo mknod open pathconf readlink remove
removexattr rmdir scandir setxattr stat truncate unlink utime""".split()
WITH_TWO_PATHS = "link rename replace symlink".split()
# Metadata by path is refused: Landlock has no say in it, and paths lead to what other tests use.
BY_DESCRIPTOR = {"chmod": os.fchmod, "chown": os.fchown}


def own(path, box):
    """The path inside the box, where it is in one of the places."""
    try:
        text = os.fspath(path)
    except TypeError:
        return path
    if not text or text[0] not in ("/", 47) or os.fsdecode(text).startswith((box, sys.prefix, sys.base_prefix)):
        return path
    for place, name in PLACES:
        if isinstance(text, str):
            if text.startswith(place) and text[len(place):len(place) + 1] in ("", "/"):
                return f"{box}/{name}{text[len(place):]}"
        elif isinstance(text, bytes) and text.startswith(place.encode()) and text[len(place):len(place) + 1] in (b"", b"/"):
            return os.fsencode(f"{box}/{name}") + text[len(place):]
    return path


def own_database(path, box):
    """The same for a database, which may be named by a URI."""
    if isinstance(path, str) and path.startswith("file:/"):
        return "file:" + own("/" + path[len("file:"):].lstrip("/"), box)
    return own(path, box)


def give_user(box):
    """An entry of `/etc/passwd`, which cannot be read, for whoever this is."""
    user = pwd.struct_passwd(("sandbox", "x", os.getuid(), os.getgid(), "sandbox", f"{box}/work", "/bin/sh"))

    def find(look_up, key):
        return functools.wraps(look_up)(lambda wanted: user if wanted == key else look_up(wanted))

    pwd.getpwuid, pwd.getpwnam = find(pwd.getpwuid, user.pw_uid), find(pwd.getpwnam, user.pw_name)


def space():
    """The test's own disk space: what the file system has left would tell what others write."""
    blocks = max(resource.getrlimit(resource.RLIMIT_FSIZE)[0], 0) // 4096
    return os.statvfs_result((4096, 4096, blocks, blocks, blocks, 8192, 8192, 8192, 0, 255))


def by_descriptor(change, refused):
    """Changes metadata of what can be opened."""

    @functools.wraps(refused)
    def do(path, *values, dir_fd=None, follow_symlinks=True, **named):
        if isinstance(path, int):
            return change(path, *values, **named)
        flags = os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_symlinks else os.O_NOFOLLOW)
        try:
            descriptor = os.open(path, os.O_RDONLY | flags, dir_fd=dir_fd)
        except PermissionError:
            descriptor = os.open(path, os.O_WRONLY | flags, dir_fd=dir_fd)
        try:
            return change(descriptor, *values, **named)
        finally:
            os.close(descriptor)

    return do


def give_places(box):
    """Puts functions in the place of the library's that know the box."""

    def leading(function, paths, own=own):
        @functools.wraps(function)
        def do(*arguments, **named):
            moved = [own(part, box) if at < paths else part for at, part in enumerate(arguments)]
            for name in ("path", "src", "dst", "file", "database"):
                if name in named:
                    named[name] = own(named[name], box)
            return function(*moved, **named)

        return do

    def put(module, name, paths):
        original = getattr(module, name)
        do = leading(original, paths)
        setattr(module, name, do)
        for known in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if original in known:
                known.add(do)

    for name, change in BY_DESCRIPTOR.items():
        setattr(os, name, by_descriptor(change, getattr(os, name)))
    for name in WITH_ONE_PATH:
        put(os, name, 1)
    for name in WITH_TWO_PATHS:
        put(os, name, 2)
    # Imports ask these.
    posix.stat, posix.listdir = os.stat, os.listdir
    io.open_code = _io.open_code = leading(io.open_code, 1)
    os.statvfs = os.fstatvfs = lambda path: space()
    io.open = builtins.open = leading(builtins.open, 1)
    sqlite3.connect = leading(sqlite3.connect, 1, own_database)
    give_user(box)
