# CWE-89
import sqlite3

COLUMNS = {"name": "name", "price": "unit_price"}


def list_items(sort_by, direction):
    column = COLUMNS.get(sort_by, "name")
    direction = direction.upper()
    if direction not in ("ASC", "DESC"):
        direction = "ASC"
    with sqlite3.connect("shop.db") as conn:
        return conn.execute(f"SELECT name FROM items ORDER BY {column} {direction}").fetchall()


print(list_items(input("Sort by: "), input("Direction: ")))
