# CWE-89
import sqlite3
def add(conditions, value):
    conditions.append(f"name = '{value}'")
parts = []
add(parts, input())
sqlite3.connect("a.db").execute("SELECT * FROM t WHERE " + " AND ".join(parts))
