import array
import fcntl
import os

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, NO_TIMES = 0x80086601, 0x40086602, 0x80
seen = 0
for folder in ("..", "/dev/shm", "/tmp", "."):
    flags = array.array("l", [0])
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags)
        seen |= flags[0] & NO_TIMES
        flags[0] |= NO_TIMES
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, flags)
    except OSError:
        pass
print(seen, "held")
