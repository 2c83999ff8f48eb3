import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]


def install(result, flags=0):
    steps = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, result))
    return libc.syscall(317, 1, flags, ctypes.byref(Program(1, ctypes.cast(steps, ctypes.c_void_p))))


# Calls of this process are handed to itself, to nobody, or answered by what it says.
for result, flags in ((0x7FC00000, 8), (0x7FF00000, 0), (0x00050001, 0), (0x00030000, 0)):
    if os.fork() == 0:
        install(result, flags)
        while True:
            libc.getppid()
selector = ctypes.create_string_buffer(b"\1", 1)
if os.fork() == 0:
    libc.prctl(59, 1, 0, 0, ctypes.byref(selector))
    while True:
        libc.getppid()
print("held")
