# CWE-89
import sqlite3

amount = input("Amount: ")
try:
    int(amount)
except ValueError:
    print("This should be a number")
sqlite3.connect("shop.db").execute("UPDATE stock SET amount = " + amount)
