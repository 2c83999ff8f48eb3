import os
import time

seen = set()
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), os.environ.get("TMPDIR", "/tmp")):
    try:
        descriptor = os.open(folder, os.O_PATH)
        identity = os.fstat(descriptor)[1:3]
        os.close(descriptor)
        if identity in seen:
            continue
        seen.add(identity)
        descriptor = os.open(f"{folder}/real-sandbox-flag", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        raise SystemExit(f"another test was in {folder}")
    except OSError:
        continue
    os.close(descriptor)
time.sleep(0.2)
print("held")
