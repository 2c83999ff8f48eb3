import os
import time

for _ in range(60):
    if os.fork() == 0:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
    else:
        os._exit(0)
print("done", flush=True)
