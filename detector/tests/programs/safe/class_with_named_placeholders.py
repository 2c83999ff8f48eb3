# CWE-89
import sqlite3


class UserRepository:
    TABLE = "users"

    def __init__(self, db_path="users.db"):
        self.conn = sqlite3.connect(db_path)

    def login(self, username, password):
        query = f"SELECT id FROM {self.TABLE} WHERE username = :name AND password = :password"
        return self.conn.execute(query, {"name": username, "password": password}).fetchone() is not None


print(UserRepository().login(input("Username: "), input("Password: ")))
