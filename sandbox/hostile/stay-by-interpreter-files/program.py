import os
import site
import sys

written = []
places = [*sys.path, site.getusersitepackages(), os.environ.get("PYTHONPATH", ""), sys.prefix, os.path.dirname(os.__file__) + "/__pycache__"]
for place in places:
    if not place or os.path.realpath(place).startswith(os.path.realpath(os.getcwd())):
        continue
    for name in ("sitecustomize.py", "usercustomize.py", "evil.pth", "json.py"):
        path = os.path.join(place, name)
        if os.path.realpath(path).startswith(os.path.realpath(os.path.expanduser("~"))):
            continue
        try:
            with open(path, "a") as file:
                file.write("raise SystemExit(0)\n")
            written.append(path)
        except OSError:
            pass
print("held" if not written else written)
