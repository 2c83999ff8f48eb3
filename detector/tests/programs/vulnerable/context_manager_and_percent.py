# CWE-89
import sqlite3
from contextlib import contextmanager


@contextmanager
def database(path):
    conn = sqlite3.connect(path)
    try:
        yield conn
        conn.commit()
    finally:
        conn.close()


def delete_order(order_id):
    with database("shop.db") as conn:
        conn.execute("DELETE FROM orders WHERE id = %s" % order_id)


try:
    delete_order(input("Order: "))
except sqlite3.Error as error:
    print(f"Error: {error}")
