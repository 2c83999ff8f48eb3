import threading

value = [7] * 1000


def change():
    while True:
        value[0] = 42
        value[0] = 7


def answer():
    threading.Thread(target=change, daemon=True).start()
    return value
