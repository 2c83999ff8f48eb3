import os
import time

held = []
try:
    for number in range(10):
        file = open(str(number), "wb", buffering=0)
        os.unlink(str(number))
        for _ in range(15):
            file.write(bytes(1 << 20))
        held.append(file)
    time.sleep(2)
    print("all of it")
except OSError:
    print("held")
