# CWE-89
import sqlite3


def list_items(sort_by="name", descending=False):
    conn = sqlite3.connect("shop.db")
    direction = "DESC" if descending else "ASC"
    rows = conn.execute(f"SELECT name, price FROM items ORDER BY {sort_by} {direction}").fetchall()
    conn.close()
    return rows


column = input("Sort by: ").lower()
for name, price in list_items(column, input("Descending? ") == "y"):
    print(name, price)
