# CWE-89
import sqlite3


class UserRepository:
    def __init__(self, db_path="users.db"):
        self.conn = sqlite3.connect(db_path)
        self.cursor = self.conn.cursor()

    def login(self, username, password):
        query = "SELECT id FROM users WHERE username='{}' AND password='{}'".format(username, password)
        self.cursor.execute(query)
        return self.cursor.fetchone() is not None


repo = UserRepository()
name = input("Username: ").strip()
secret = input("Password: ").strip()
print("Welcome" if repo.login(name, secret) else "Denied")
