# CWE-89
import sqlite3
def add(conditions, parameters, column, value):
    conditions.append(column + " = ?")
    parameters.append(value)
parts, values = [], []
add(parts, values, "name", input())
sqlite3.connect("a.db").execute("SELECT * FROM t WHERE " + " AND ".join(parts), values)
