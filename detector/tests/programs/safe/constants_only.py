# CWE-89
import sqlite3

TABLES = ["a", "b"]
conn = sqlite3.connect("x.db")
for table in TABLES:
    conn.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER)")
    conn.execute("INSERT INTO {} VALUES (?)".format(table), (input(),))
