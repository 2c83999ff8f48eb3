import os
import time

for _ in range(4):
    if os.fork() == 0:
        if os.fork() == 0:
            while True:
                pass
        os._exit(0)
    os.wait()
time.sleep(30)
