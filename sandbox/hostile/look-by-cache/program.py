import ctypes
import mmap
import os

libc = ctypes.CDLL(None)
answers = []
file = open(os.__file__, "rb")
try:
    os.preadv(file.fileno(), [bytearray(16)], 0, os.RWF_NOWAIT)
    answers.append("preadv2")
except OSError:
    pass
view = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)
address = libc.mmap
address.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, file.fileno(), ctypes.c_long(0))
pages = ctypes.create_string_buffer(1)
if libc.mincore(ctypes.c_void_p(place), ctypes.c_size_t(4096), pages) == 0:
    answers.append("mincore")
print("held" if not answers else answers)
