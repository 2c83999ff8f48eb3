# CWE-89
import sqlite3


def find_book(conn, title):
    cur = conn.cursor()
    cur.execute("SELECT * FROM books WHERE title LIKE ?", (f"%{title}%",))
    return cur.fetchall()


def main():
    conn = sqlite3.connect("library.db")
    while True:
        choice = input("1. find 2. quit: ")
        if choice == "1":
            for row in find_book(conn, input("Title: ")):
                print(row[0])
        elif choice == "2":
            break
    conn.close()


if __name__ == "__main__":
    main()
