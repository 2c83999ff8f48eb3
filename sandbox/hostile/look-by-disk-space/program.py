import ctypes
import os
import time

libc = ctypes.CDLL(None)


def free():
    content = ctypes.create_string_buffer(512)
    done = libc.statfs(b".", content)
    return ctypes.c_long.from_buffer_copy(content, 24).value if done == 0 else None


writes = input() == "write"
first, seen = free(), set()
end = time.monotonic() + 0.4
while time.monotonic() < end:
    if writes:
        with open("ballast", "wb") as file:
            file.write(b"x" * (24 << 20))
        os.remove("ballast")
    else:
        seen.add(free())
    time.sleep(0.01)
print("held" if writes or seen <= {first} else "told")
