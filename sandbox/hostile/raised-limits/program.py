import resource
import sys
import threading


def depth(n):
    return n if n == 0 else 1 + depth(n - 1)


print(sys.getrecursionlimit(), depth(990) == 990)
sys.setrecursionlimit(5000)
print(sys.getrecursionlimit())
sys.setrecursionlimit(2**31 - 1)
resource.setrlimit(resource.RLIMIT_STACK, (1 << 28, -1))
resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(depth(20000))
threading.stack_size(1 << 27)
thread = threading.Thread(target=lambda: print(depth(40000)))
thread.start()
thread.join()
