import threading
import time


def late():
    while True:
        print(42, flush=True)
        time.sleep(0.01)


threading.Thread(target=late, daemon=False).start()
