import glob
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

Path("/tmp/a").mkdir()
with open("/tmp/a/b.txt", "w") as file:
    file.write("b")
os.rename("/tmp/a/b.txt", "/tmp/a/c.txt")
assert Path("/tmp/a/c.txt").read_text() == "b" and os.listdir("/tmp/a") == ["c.txt"]
assert glob.glob("/tmp/a/*") == ["/tmp/a/c.txt"] and os.path.exists("/tmp/a") and not os.path.exists("/tmp/x")
shutil.copy("/tmp/a/c.txt", "here.txt")
with sqlite3.connect("/tmp/a/d.db") as database:
    database.execute("create table t (x)")
    database.execute("insert into t values (1)")
shutil.rmtree("/tmp/a")
for folder in (tempfile.gettempdir(), os.path.expanduser("~"), "/tmp", "/dev/shm"):
    with open(os.path.join(folder, "own-" + str(len(os.listdir(folder)))), "x") as file:
        file.write(folder)
os.chmod("here.txt", 0o600)
assert os.stat("here.txt").st_mode & 0o777 == 0o600
code = "open('/tmp/from-below', 'w').write('x'); import os; print(os.path.exists('/tmp/from-below'))"
assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
assert os.path.exists("/tmp/from-below")
assert shutil.disk_usage(".").free > 1 << 20
print("held")
