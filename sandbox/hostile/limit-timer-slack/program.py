import ctypes

ctypes.CDLL(None).prctl(29, 10**9, 0, 0, 0)
while True:
    pass
