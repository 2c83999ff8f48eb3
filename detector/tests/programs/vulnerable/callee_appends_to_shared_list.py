# CWE-89
import sqlite3
parts = []
def add(conditions, value):
    conditions.append(value)
def run():
    sqlite3.connect("a.db").execute("SELECT * FROM t WHERE " + " AND ".join(parts))
add(parts, input())
run()
