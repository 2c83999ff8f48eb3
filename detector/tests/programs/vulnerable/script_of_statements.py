# CWE-89
import sqlite3

rows = []
for _ in range(int(input())):
    rows.append(input().split())
script = "\n".join("INSERT INTO points VALUES ({}, {});".format(*row) for row in rows)
sqlite3.connect("points.db").executescript(script)
