# CWE-89
import sqlite3


def search(filters):
    sql = "SELECT * FROM products WHERE 1=1"
    for key, value in filters.items():
        if value:
            sql += f" AND {key} = '{value}'"
    with sqlite3.connect("shop.db") as conn:
        return conn.execute(sql).fetchall()


print(search({"name": input("Name: "), "color": input("Color: ")}))
