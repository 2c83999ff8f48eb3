import time

while True:
    print("x", flush=True)
    time.sleep(0.01)
