import ctypes
import os

open('evil.so', 'wb').write(b'\x7fELF' + b'\0' * 64)
try:
    ctypes.CDLL(os.path.abspath('evil.so'))
except OSError:
    print('held')
