# CWE-89
import sqlite3

low = input("Low: ")
high = input("High: ")
try:
    low = float(low)
except ValueError:
    raise SystemExit("not a number")
conn = sqlite3.connect("shop.db")
print(conn.execute(f"SELECT * FROM items WHERE price BETWEEN {low} AND {high}").fetchall())
