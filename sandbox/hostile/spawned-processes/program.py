import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor


def square(x):
    return x * x


def add(lock, total, x):
    with lock:
        total.value += x


if __name__ == "__main__":
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]
        lock, total = context.Lock(), context.Value("i", 0)
        workers = [context.Process(target=add, args=(lock, total, x)) for x in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert total.value == 3, total.value
    print("held")
