"""What a zygote does before it freezes, so that its children write to fewer of its pages: each costs them a copy of it.

A rehearsal of what nearly all programs do fills the interpreter's cache of attributes and adapts its instructions. Then the holes of
the C heap are filled: an allocation in one of them writes to its neighbours too, while those at the end of the heap lie together.
"""

REHEARSALS = 3
REHEARSED = """
import sqlite3
connection = sqlite3.connect(":memory:")
cursor = connection.cursor()
cursor.execute("CREATE TABLE t (a INTEGER, b TEXT, c REAL)")
cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, "x", 2.5)])
connection.commit()
number, size = int("3"), float("2.5") ** 2
cursor.execute(f"SELECT * FROM t WHERE a > {number} OR b = ? AND c < {size}", ("x".strip(),))
for row in cursor.fetchall():
    print(row, file=stream)
print(cursor.fetchone(), file=stream)
connection.close()
words = "b a".split()
words.append("c".upper())
print(" ".join(sorted(words)), {"a": 1}.get("a"), "a".replace("a", "b"), file=stream)
"""
# Sizes of what is tried, largest first; above, the C library maps memory for each.
LARGEST_HOLE, SMALLEST_HOLE = 100_000, 24
MOST_HOLES = 1 << 16


class HeapState(ctypes.Structure):
    """struct mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


def rehearse(null):
    """Does what children will do, as far as it leaves nothing behind."""
    for _ in range(REHEARSALS):
        job = os.memfd_create("job")
        code = dump_code(compile(REHEARSED, "main.py", "exec", dont_inherit=True))
        os.write(job, json.dumps({"files": 0, "nonce": "", "limits": {"rlimits": [["RLIMIT_AS", 1]]}}).encode() + b"\n" + code)
        _, _, code = read_job(job)
        dup_to(null, job, inheritable=False)
        os.close(job)
        with open(null, "w", closefd=False) as stream:
            space = types.ModuleType("main").__dict__
            space["stream"] = stream
            try:
                exec(Program(REHEARSED, code).compile(), space)
            except ImportError:
                return  # without SQLite
        finish(None, Program("print(1)"), space)
        flush()


def fill_holes():
    """Allocates what is free below the end of the C heap, where the C library says how it stands; returns how many holes there were."""
    try:
        state = libc.mallinfo2
    except AttributeError:
        return 0
    state.restype, libc.sbrk.restype, libc.malloc.restype = HeapState, ctypes.c_void_p, ctypes.c_void_p
    libc.malloc.argtypes, libc.free.argtypes, libc.sbrk.argtypes = [ctypes.c_size_t], [ctypes.c_void_p], [ctypes.c_ssize_t]
    end = libc.sbrk(0) - state().keepcost
    size, filled = LARGEST_HOLE, 0
    while size >= SMALLEST_HOLE and filled < MOST_HOLES:
        place = libc.malloc(size)
        if place is not None and place < end:
            filled += 1
            continue
        libc.free(place)
        size = size * 3 // 4 if size > 1024 else size - 16
    return filled
