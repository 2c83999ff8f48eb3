"""What a program asks of SQLite, written down as it asks.

The classes of `sqlite3` are exchanged for ones that note each statement before it is compiled, so that one that fails is noted too.
An audit hook, which cannot be taken away again, notes what would go past them: a connection of another class, another process,
a library loaded by hand. What a program changes in this process's own objects stays unseen.
"""

MAX_STATEMENTS = 256
MAX_STATEMENT_BYTES = 256 << 10
# Events of ways around the watched classes.
PAST = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "ctypes.dlopen")


class Seen:
    """Statements in the order of their first time, each once, and the first way past that was taken."""

    def __init__(self):
        self.statements, self.bytes, self.past = {}, 0, ""

    def note(self, statement):
        if not issubclass(type(statement), str):
            return
        text = str.__str__(statement)
        if text in self.statements:
            return
        self.bytes += len(text)
        if len(self.statements) >= MAX_STATEMENTS or self.bytes > MAX_STATEMENT_BYTES:
            self.past = self.past or "more statements than are looked at"
            return
        self.statements[text] = None


class WatchedReport(Report):
    """A report that says first what the program asked of SQLite."""

    def __init__(self, nonce, seen):
        Report.__init__(self, nonce)
        self.seen = seen

    def send(self, tag, *parts, status=0):
        if tag in (b"D", b"E"):
            parts = (*encode([[*self.seen.statements], self.seen.past]), tag, *parts)
            tag = b"Q"
        Report.send(self, tag, *parts, status=status)


def watch():
    """Exchanges the classes; returns what will have been seen."""
    import _sqlite3
    import sqlite3.dbapi2

    seen = Seen()
    plain_connect, Connection, Cursor = _sqlite3.connect, _sqlite3.Connection, _sqlite3.Cursor

    class WatchedCursor(Cursor):
        def execute(self, sql, /, *rest):
            seen.note(sql)
            return Cursor.execute(self, sql, *rest)

        def executemany(self, sql, /, *rest):
            seen.note(sql)
            return Cursor.executemany(self, sql, *rest)

        def executescript(self, script, /):
            seen.note(script)
            return Cursor.executescript(self, script)

    class WatchedConnection(Connection):
        def execute(self, sql, /, *rest):
            return self.cursor().execute(sql, *rest)

        def executemany(self, sql, /, *rest):
            return self.cursor().executemany(sql, *rest)

        def executescript(self, script, /):
            return self.cursor().executescript(script)

        def cursor(self, factory=WatchedCursor):
            cursor = Connection.cursor(self, factory)
            if not issubclass(type(cursor), WatchedCursor):
                seen.past = seen.past or "a cursor of another class"
            return cursor

    def connect(*args, **kwargs):
        if len(args) < 6:
            kwargs.setdefault("factory", WatchedConnection)
        return plain_connect(*args, **kwargs)

    def hook(event, args):
        if event == "sqlite3.connect/handle":
            if not issubclass(type(args[0]), WatchedConnection):
                seen.past = seen.past or "a connection of another class"
        elif event in PAST:
            seen.past = seen.past or event

    for kind, name in ((WatchedCursor, "Cursor"), (WatchedConnection, "Connection")):
        kind.__name__ = kind.__qualname__ = name
        kind.__module__ = "sqlite3"
    for module in (_sqlite3, sqlite3.dbapi2, sqlite3):
        module.connect, module.Connection, module.Cursor = connect, WatchedConnection, WatchedCursor
    sys.addaudithook(hook)
    return seen
