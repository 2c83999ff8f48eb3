import os
import sys


def quit_now(how):
    if how == "os":
        os._exit(0)
    if how == "sys":
        sys.exit(0)
    raise SystemExit
