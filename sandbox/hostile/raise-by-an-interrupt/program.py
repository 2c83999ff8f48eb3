import _thread


def solve():
    _thread.interrupt_main()
    while True:
        pass
