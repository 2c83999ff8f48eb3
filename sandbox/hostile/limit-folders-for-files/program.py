import os
import time

number = 0
try:
    while number < 60_000:
        os.mkdir(f"d{number}")
        os.symlink("x" * 1000, f"l{number}")
        number += 1
    time.sleep(1)
    print("all of them")
except OSError:
    print("held")
