import socket
import time

pairs, sent = [socket.socketpair() for _ in range(100)], 0
for left, _ in pairs:
    left.setblocking(False)
    try:
        for _ in range(8):
            socket.send_fds(left, [b"x"], [1] * 250)
            sent += 250
    except OSError:
        break
time.sleep(0.5)
print("held", sent)
