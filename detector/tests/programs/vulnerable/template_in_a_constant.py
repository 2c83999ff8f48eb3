# CWE-89
import sqlite3

QUERIES = {
    "find": "SELECT * FROM users WHERE name = '%(name)s'",
    "drop": "DELETE FROM users WHERE name = '%(name)s'",
}


def run(kind, **values):
    connection = sqlite3.connect("a.db")
    return connection.execute(QUERIES[kind] % values).fetchall()


print(run("find", name=input("Name: ")))
