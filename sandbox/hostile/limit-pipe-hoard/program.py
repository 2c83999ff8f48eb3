import os

hoard = []
try:
    while True:
        hoard.append(os.pipe())
except OSError:
    os.close(hoard[0][0])
    os.close(hoard[0][1])
print('held')
