# CWE-89
import re
import sqlite3


class BadName(Exception):
    pass


def check_name(name):
    if not re.match(r"^[A-Za-z_][A-Za-z0-9_]*$", name):
        raise BadName(name)
    return name


table = check_name(input("Table: "))
print(sqlite3.connect("a.db").execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
