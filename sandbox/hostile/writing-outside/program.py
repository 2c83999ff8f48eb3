import os

targets = ["@SECRET@", "@PLANTED@/new", "/etc/passwd", "/usr/new", "/new", "/dev/new", os.__file__]
targets.append(os.path.dirname(os.__file__) + "/new.py")
for target in targets:
    for mode in ("ab", "wb"):
        try:
            open(target, mode).close()
        except OSError:
            continue
        raise SystemExit(f"wrote {target}")
    try:
        os.unlink(target)
    except OSError:
        continue
    raise SystemExit(f"removed {target}")
print("held")
