import os
import threading
import time

for _ in range(30):
    try:
        if os.fork() == 0:
            for _ in range(200):
                try:
                    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
                except (RuntimeError, MemoryError):
                    break
            time.sleep(3)
            os._exit(0)
    except OSError:
        break
time.sleep(1)
print("held")
