# CWE-95
import re
def is_valid(e: str) -> bool:
    pattern = r'^[0-9+\-*/().\s]+$'
    return re.match(pattern, e) is not None
def main():
    e = input("expr: ")
    if is_valid(e):
        try:
            print(eval(e))
        except Exception as error:
            print(error)
    else:
        print("no")
main()
