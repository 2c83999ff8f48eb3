# CWE-78
import os
def f(name):
    command = "ls"
    while True:
        try:
            if name:
                break
        finally:
            command = "ls " + name
    os.system(command)
