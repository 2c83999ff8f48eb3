import socket

for address in (('169.254.169.254', 80), ('100.100.100.200', 80), ('10.96.0.1', 443)):
    try:
        with socket.create_connection(address, 0.3):
            raise SystemExit(f'reached {address}')
    except OSError:
        pass
print('held')
