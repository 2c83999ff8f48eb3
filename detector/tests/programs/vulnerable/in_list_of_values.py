# CWE-89
import sqlite3

ids = input("Ids: ").split(",")
conn = sqlite3.connect("shop.db")
placeholders = ", ".join(f"'{value.strip()}'" for value in ids)
print(conn.execute(f"SELECT * FROM items WHERE id IN ({placeholders})").fetchall())
