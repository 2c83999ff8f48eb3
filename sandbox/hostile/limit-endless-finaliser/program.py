import atexit


@atexit.register
def last():
    while True:
        pass


print(42)
