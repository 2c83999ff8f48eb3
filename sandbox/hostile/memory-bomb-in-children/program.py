import os
import time

for _ in range(12):
    if os.fork() == 0:
        hoard = bytearray(180 << 20)
        for at in range(0, len(hoard), 4096):
            hoard[at] = 1
        time.sleep(60)
time.sleep(60)
