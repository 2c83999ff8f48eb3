import os
import site
import sys

told = []
for folder in {*sys.path, *site.getsitepackages(), site.getusersitepackages(), "/var/tmp", "/run", "/var/lib", "/srv", "/opt/flag"}:
    try:
        path = os.path.join(folder, "real-sandbox-flag.py")
        with open(path, "x"):
            pass
    except FileExistsError:
        if not path.startswith(os.getcwd()):
            told.append(path)
    except OSError:
        pass
print("held" if not told else told)
