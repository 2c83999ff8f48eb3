import os
import time

try:
    with open("a", "wb") as file:
        file.write(os.urandom(1 << 20) * 20)
    for number in range(10):
        with open("a", "rb") as source, open(f"b{number}", "wb") as target:
            left = 20 << 20
            while left:
                left -= os.sendfile(target.fileno(), source.fileno(), None, left)
        with open(f"c{number}", "wb") as target:
            os.posix_fallocate(target.fileno(), 0, 20 << 20)
    time.sleep(2)
    print("all of it")
except OSError:
    print("held")
