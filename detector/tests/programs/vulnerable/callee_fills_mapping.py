# CWE-89
import sqlite3
def fill(options):
    for i in range(3):
        if i:
            options["name"] = input()
def run():
    options = {"name": "x"}
    fill(options)
    sqlite3.connect("a.db").execute("SELECT * FROM t WHERE n = '%s'" % options["name"])
run()
