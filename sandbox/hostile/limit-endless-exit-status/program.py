import atexit


def again():
    atexit.register(again)


again()
print("held")
