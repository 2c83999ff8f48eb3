import os

os.sched_setaffinity(0, {0})
for _ in range(3):
    if os.fork() == 0:
        break
while True:
    pass
