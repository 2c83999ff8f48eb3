import ctypes

libc = ctypes.CDLL(None, use_errno=True)
for number in (101, 155, 165, 166, 169, 175, 176, 246, 250, 272, 298, 304, 308, 310, 311, 313, 319, 321, 323, 425, 428, 429, 430, 432, 435, 438, 442, 449):
    assert libc.syscall(number, 0, 0, 0, 0, 0, 0) == -1, number
print('held')
