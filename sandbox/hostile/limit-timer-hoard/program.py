import ctypes

libc = ctypes.CDLL(None)
timers = 0
for _ in range(200_000):
    timer = ctypes.c_void_p()
    if libc.timer_create(1, None, ctypes.byref(timer)) != 0:
        break
    timers += 1
print("held" if timers < 100_000 else timers)
