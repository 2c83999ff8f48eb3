import errno
import socket

told = []
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        server = socket.socket(family)
        server.bind((host, 45678))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told.append(host)
        continue
    server.listen()
    client = socket.create_connection((host, 45678))
    peer, _ = server.accept()
    # The side that closes first keeps the port for a while.
    peer.close()
    client.close()
    server.close()
print("held" if not told else told)
