import mmap
import os
import time

held = []
try:
    for number in range(10):
        with open(str(number), "w+b", buffering=0) as file:
            os.unlink(str(number))
            for _ in range(15):
                file.write(bytes(1 << 20))
            held.append(mmap.mmap(file.fileno(), 4096, offset=(15 << 20) - 4096))
    time.sleep(2)
    print("all of it")
except OSError:
    print("held")
