# CWE-89
import sqlite3

ids = [part.strip() for part in input("Ids: ").split(",")]
marks = ", ".join("?" * len(ids))
sql = "SELECT * FROM items WHERE id IN (%s)" % marks
print(sqlite3.connect("shop.db").execute(sql, ids).fetchall())
