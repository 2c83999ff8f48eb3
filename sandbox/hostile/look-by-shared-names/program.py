import ctypes
import mmap
import time
from multiprocessing import shared_memory

libc = ctypes.CDLL(None)
told = []
try:
    shared = shared_memory.SharedMemory("real-sandbox-flag", create=True, size=16)
except FileExistsError:
    told.append("shared memory")
except OSError:
    pass
KEY, CREATE_NEW = 0x5EA1, 0o3600
for name, call in (("shmget", lambda: libc.shmget(KEY, 16, CREATE_NEW)), ("semget", lambda: libc.semget(KEY, 1, CREATE_NEW)), ("msgget", lambda: libc.msgget(KEY, CREATE_NEW))):
    ctypes.set_errno(0)
    if call() == -1 and ctypes.get_errno() == 17:
        told.append(name)
time.sleep(0.2)
print("held" if not told else told)
