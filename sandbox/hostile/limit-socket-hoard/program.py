import socket

held, bytes_held = [], 0
try:
    while True:
        pair = socket.socketpair()
        held.append(pair)
        for end in pair:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
            try:
                while True:
                    bytes_held += end.send(b"x" * 65536)
            except BlockingIOError:
                pass
except OSError:
    pass
print("held" if bytes_held < 1 << 30 else bytes_held)
