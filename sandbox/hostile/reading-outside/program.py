import os

for path in ("@SECRET@", "/etc/shadow", "/proc/self/environ", "/proc/@SERVER@/environ", "/proc/1/maps", "/sys/kernel",
             "/var/run/secrets/kubernetes.io/serviceaccount/token", "/root/.bashrc", "/home", "/var/log"):
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").read(1)
    except OSError:
        continue
    raise SystemExit(f"read {path}")
for where in ("@SECRET@", "/etc/shadow"):
    os.symlink(where, "link")
    try:
        open("link", "rb").read(1)
        raise SystemExit("read through a link")
    except OSError:
        os.unlink("link")
print("held")
