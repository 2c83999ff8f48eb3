import os

for _ in range(900):
    child = os.fork()
    if child == 0:
        for _ in range(60_000):
            pass
        os._exit(0)
    os.waitpid(child, 0)
print("done")
