import socket

for family, address in ((socket.AF_INET, ("127.0.0.1", @PORT@)), (socket.AF_INET, ("1.1.1.1", 53))):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as connection:
                connection.settimeout(1)
                connection.connect(address)
                if kind == socket.SOCK_STREAM or address[0] != "127.0.0.1":
                    connection.send(b"hello")
                    raise SystemExit(f"reached {address}")
        except OSError:
            pass
for kind in (socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK):
    try:
        socket.socket(kind, socket.SOCK_RAW)
    except OSError:
        continue
    raise SystemExit("made a raw socket")
print("held")
