# CWE-95
import re


def calculate(text):
    # Full-width letters are letters of names: Python normalises them.
    if not re.fullmatch(r"[^a-zA-Z_'\"\\#\[\]{}:;`@$?]+", text):
        raise ValueError("not arithmetic")
    return eval(text)
