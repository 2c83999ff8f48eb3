"""Files of the working directory, into it and out of it, as `bundle.rs` has them: `kind mode path-length content-length`, then path
and content.
"""

home = ""  # the working directory that a test starts in
# The C functions: in front of those of `os` stand some of ours, for names that no set-up has.
make_file, write_file, close_file = posix.open, posix.write, posix.close
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def unpack(bundle):
    """Writes the set-up's files into the working directory: `kind mode path-length content-length path content`."""
    at = 0
    while at < len(bundle):
        kind, mode, path_length, length = bundle[at:bundle.index(b"\n", at)].split()
        at = bundle.index(b"\n", at) + 1
        path = bundle[at:at + int(path_length)]
        at += int(path_length)
        if kind == b"d":
            os.makedirs(path, exist_ok=True)
            continue
        if path.find(b"/") > 0:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        end = at + int(length)
        write_new(make_file(path, NEW_FILE, int(mode, 8)), bundle[at:end])
        at = end


def write_new(descriptor, content):
    """Fills a file that was just made, and closes it."""
    while content:
        content = content[write_file(descriptor, content):]
    close_file(descriptor)


def pack(only, limit):
    """Regular files and directories below the working directory, or just those asked for; links are not followed."""
    pieces, total = [], 0

    def add(kind, path, mode, content):
        nonlocal total
        name = os.fsencode(path)
        total += len(name) + len(content) + 32
        fits(total, limit)
        pieces.extend((b"%s %o %d %d\n" % (kind, mode, len(name), len(content)), name, content))

    def below(path):
        """Opens a file step by step: no part of the way is a link, or leads up."""
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        *way, name = [part for part in path.split("/") if part != "."]
        if ".." in (*way, name):
            raise OSError("leads out of the working directory")
        for part in way:
            above, folder = folder, os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(above)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        os.close(folder)
        return descriptor

    def read(path):
        descriptor = below(path)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                raise TooLarge if stat.S_ISREG(status.st_mode) else OSError("not a regular file")
            return status.st_mode & 0o777, file.read()

    try:
        os.chdir(home)
    except OSError:
        return b""
    if only is not None:
        for path in only:
            try:
                add(b"f", path, *read(path))
            except (OSError, ValueError, TooLarge):
                pass
        return b"".join(pieces)
    for folder, directories, files in os.walk(".", followlinks=False):
        for name in sorted(directories):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                add(b"d", path[2:], 0o700, b"")
        for name in sorted(files):
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                add(b"f", path[2:], *read(path))
    return b"".join(pieces)
