# CWE-89
import sqlite3


def _update(user_id, values):
    assignments = ", ".join(f"{column} = ?" for column in values)
    parameters = list(values.values()) + [user_id]
    with sqlite3.connect("a.db") as conn:
        conn.execute(f"UPDATE users SET {assignments} WHERE id = ?", parameters)


_update(input("Id: "), {"name": input("Name: "), "mail": input("Mail: ")})
