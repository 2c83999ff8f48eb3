# CWE-89
import sqlite3

ALLOWED = ["name", "color", "size"]


def search(filters):
    sql, parameters = "SELECT * FROM products WHERE 1=1", []
    for key, value in filters.items():
        if key not in ALLOWED:
            continue
        sql += f" AND {key} = ?"
        parameters.append(value)
    with sqlite3.connect("shop.db") as conn:
        return conn.execute(sql, parameters).fetchall()


key = input("Column: ")
print(search({key: input("Value: ")}))
