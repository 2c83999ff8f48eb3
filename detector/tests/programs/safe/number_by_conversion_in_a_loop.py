# CWE-89
import sqlite3


def ask_number(prompt):
    while True:
        try:
            return int(input(prompt))
        except ValueError:
            print("Please enter a number.")


low, high = ask_number("Low: "), ask_number("High: ")
sql = "SELECT * FROM items WHERE price BETWEEN {} AND {}".format(low, high)
print(sqlite3.connect("shop.db").execute(sql).fetchall())
