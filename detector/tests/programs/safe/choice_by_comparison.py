# CWE-89
import sqlite3

kind = input("users or orders: ")
if kind == "users":
    table = "users"
elif kind == "orders":
    table = kind
else:
    raise SystemExit("unknown")
print(sqlite3.connect("a.db").execute("SELECT * FROM " + table).fetchall())
