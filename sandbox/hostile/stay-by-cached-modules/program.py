import os
import sys

told = []
for folder in ("__pycache__", "json", "sqlite3", os.path.join(os.environ["HOME"], ".local/lib/python%d.%d/site-packages" % sys.version_info[:2])):
    if os.path.exists(folder):
        told.append(folder)
    os.makedirs(folder, exist_ok=True)
    for name in ("__init__.py", "sitecustomize.py", "usercustomize.py", "x.pth"):
        with open(os.path.join(folder, name), "w") as file:
            file.write("print('left')\n")
import json

print("held" if not told and hasattr(json, "loads") else told)
