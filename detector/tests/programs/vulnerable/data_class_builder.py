# CWE-89
import sqlite3
from dataclasses import dataclass, field


@dataclass
class Query:
    table: str
    conditions: list = field(default_factory=list)

    def where(self, text):
        self.conditions.append(text)
        return self

    def build(self):
        return f"SELECT * FROM {self.table} WHERE {' AND '.join(self.conditions)}"


query = Query("users").where(f"name = '{input()}'")
print(sqlite3.connect("a.db").execute(query.build()).fetchall())
