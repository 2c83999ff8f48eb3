import sys
import threading

sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *a: print(42)
raise ValueError
