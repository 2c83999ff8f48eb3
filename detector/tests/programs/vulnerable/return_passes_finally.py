# CWE-78
import os
def f(name):
    try:
        return 1
    finally:
        os.system("ls " + name)
