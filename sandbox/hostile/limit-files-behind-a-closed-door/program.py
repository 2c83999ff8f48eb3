import os
import time

os.mkdir("closed")
try:
    for number in range(10):
        with open(f"closed/{number}", "wb", buffering=0) as file:
            for _ in range(15):
                file.write(bytes(1 << 20))
        if number == 0:
            folder = os.open("closed", os.O_RDONLY)
            os.fchmod(folder, 0o300)
    time.sleep(2)
    print("all of it")
except OSError:
    print("held")
