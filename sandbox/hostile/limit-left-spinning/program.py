import os

for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
print('held')
