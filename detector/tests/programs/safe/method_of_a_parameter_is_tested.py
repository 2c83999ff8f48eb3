# CWE-89
import sqlite3


def drop(connection, table):
    if not table.isalnum():
        raise ValueError("not a name")
    connection.execute(f"DROP TABLE {table}")
