# CWE-89
import sqlite3


def escape(text):
    return text.replace("'", "''")


def get(name):
    cursor = sqlite3.connect("a.db").cursor()
    cursor.execute("SELECT * FROM users WHERE name = '" + escape(name) + "'")
    return cursor.fetchone()


print(get(input("Name: ")))
