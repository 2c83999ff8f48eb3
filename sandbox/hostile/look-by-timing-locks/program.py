import fcntl
import os
import time

file = open(os.__file__)
try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    time.sleep(0.3)
    print('held')
except OSError:
    print('somebody else holds it')
