import gc
import sys

told = []
for thing in gc.get_objects():
    kind = type(thing)
    if kind is dict and "nonce" in thing and "limits" in thing and thing.get("program", "").find("told") < 0:
        told.append("another job")
    if kind.__name__ == "Connection" or kind.__name__ == "Cursor":
        told.append(kind.__name__)
for name in ("rows", "connection", "words", "stream"):
    if hasattr(sys.modules["__main__"], name):
        told.append(name)
print("held" if not told else told)
