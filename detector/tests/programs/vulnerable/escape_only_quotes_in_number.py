# CWE-89
import sqlite3


def escape(text):
    return text.replace("'", "''")


def get(user_id):
    cursor = sqlite3.connect("a.db").cursor()
    cursor.execute(f"SELECT * FROM users WHERE id = {escape(user_id)}")
    return cursor.fetchone()


print(get(input("Id: ")))
