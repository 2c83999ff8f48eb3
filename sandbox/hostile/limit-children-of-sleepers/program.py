import os
import time

end = time.monotonic() + 30
while time.monotonic() < end:
    if os.fork() == 0:
        if os.fork() == 0:
            stop = time.monotonic() + 0.012
            while time.monotonic() < stop:
                pass
        os._exit(0)
    os.wait()
print("all of it")
