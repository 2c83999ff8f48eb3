import os
import time

for _ in range(60):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
try:
    for number in range(10):
        with open(str(number), "wb", buffering=0) as file:
            for _ in range(15):
                file.write(bytes(1 << 20))
    time.sleep(2)
    print("all of it")
except OSError:
    print("held")
