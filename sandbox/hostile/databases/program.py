import pwd
import os
import sqlite3

one = sqlite3.connect("shop.db")
print(one.execute("PRAGMA journal_mode=WAL").fetchone()[0])
one.execute("CREATE TABLE item (name)")
one.execute("INSERT INTO item VALUES ('lamp')")
one.commit()
other = sqlite3.connect("file:shop.db?mode=ro", uri=True)
print(other.execute("SELECT name FROM item").fetchone()[0])
made = sqlite3.connect("file:/tmp/made.db?mode=rwc", uri=True)
made.execute("CREATE TABLE item (name)")
made.close()
print(os.path.exists("/tmp/made.db"), pwd.getpwuid(os.getuid()).pw_name)
