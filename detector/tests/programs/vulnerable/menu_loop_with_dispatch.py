# CWE-89
import sqlite3


def connect():
    conn = sqlite3.connect("library.db")
    conn.row_factory = sqlite3.Row
    return conn


def find_book(conn, title):
    cur = conn.cursor()
    cur.execute("SELECT * FROM books WHERE title LIKE '%" + title + "%'")
    return cur.fetchall()


def main():
    conn = connect()
    while True:
        choice = input("1. find 2. quit: ")
        if choice == "1":
            for row in find_book(conn, input("Title: ")):
                print(row["title"])
        elif choice == "2":
            break
        else:
            print("Invalid choice")
    conn.close()


if __name__ == "__main__":
    main()
