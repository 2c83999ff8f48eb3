# CWE-89
import sqlite3

number = input("Number: ").strip()
if not number.isdigit():
    print("Invalid")
else:
    sqlite3.connect("a.db").execute("DELETE FROM t WHERE id = " + number)
