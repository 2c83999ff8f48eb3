import decimal
import gc
import locale
import random
import signal
import sys
import threading
import warnings

found = {
    "digits": sys.get_int_max_str_digits() == 4300,
    "collector": gc.isenabled() and gc.get_debug() == 0,
    "precision": decimal.getcontext().prec == 28 and not any(decimal.getcontext().flags.values()),
    "depth": sys.getrecursionlimit() == 1000,
    "threads": threading.active_count() == 1 and threading.stack_size() == 0,
    "signals": signal.getsignal(signal.SIGINT) is signal.default_int_handler and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "tracing": sys.gettrace() is None and sys.getprofile() is None,
    "hooks": sys.excepthook is sys.__excepthook__ and sys.displayhook is sys.__displayhook__,
    "main": sys.modules["__main__"].__dict__ is globals() and not {"rows", "connection", "words"} & set(globals()),
    "filters": len(warnings.filters) == 5,
    "error": sys.exc_info() == (None, None, None) and not hasattr(sys, "last_value"),
    "switch": sys.getswitchinterval() == 0.005,
    "locale": locale.setlocale(locale.LC_NUMERIC) == "C",
    "random": len({random.random() for _ in range(3)}) == 3,
}
print("held" if all(found.values()) else [name for name, right in found.items() if not right])
