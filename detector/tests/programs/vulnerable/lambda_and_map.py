# CWE-89
import sqlite3

quote = lambda text: "'" + text + "'"
names = list(map(quote, input().split()))
sqlite3.connect("a.db").execute("SELECT * FROM t WHERE n IN (" + ",".join(names) + ")")
