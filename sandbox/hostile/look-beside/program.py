import os

# By relative paths: some sandboxes show other directories under the names of those above.
own = {os.stat("../" * up or ".").st_ino for up in range(12)} | {os.stat(place).st_ino for place in (os.path.expanduser("~"), os.environ.get("TMPDIR", "."))}
found = []
for up in range(1, 6):
    for number in range(16):
        for name in (f"worker-{number}", str(number), f"box-{number}", f"test-{number}"):
            for below in ("", "/box", "/box/work", "/work"):
                path = "../" * up + name + below
                try:
                    if os.stat(path).st_ino not in own:
                        found.append(path)
                except OSError:
                    pass
print("held" if not found else found)
