import os
import socket

for path in ('/run/dbus/system_bus_socket', '/var/run/docker.sock', '/run/containerd/containerd.sock', '/run/systemd/private'):
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
    except OSError:
        continue
    raise SystemExit(path)
print('held')
