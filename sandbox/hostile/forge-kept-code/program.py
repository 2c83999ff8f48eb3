import marshal
import os

code = marshal.dumps(compile("print(42)", "main.py", "exec"))
for number in range(3, 256):
    try:
        os.write(number, b"K%d:%s" % (len(code), code))
    except OSError:
        pass
print(41)
