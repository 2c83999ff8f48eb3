import os
import resource

resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
held = []
try:
    while True:
        held.append(bytearray(1 << 12))
except MemoryError:
    pass
print("right" * 3)
