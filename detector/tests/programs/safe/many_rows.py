# CWE-89
import sqlite3

rows = []
for _ in range(int(input())):
    name, price = input().split(",")
    rows.append((name, float(price)))
conn = sqlite3.connect("shop.db")
conn.executemany("INSERT INTO items (name, price) VALUES (?, ?)", rows)
conn.commit()
