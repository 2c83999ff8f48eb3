import socket

try:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("\0@ABSTRACT@")
except OSError:
    print("held")
