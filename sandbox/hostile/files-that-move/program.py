import os
import pathlib
import shutil
import tempfile

os.makedirs("inbox/deep")
os.makedirs("sorted")
pathlib.Path("inbox/a.txt").write_text("A")
pathlib.Path("inbox/deep/b.txt").write_text("B")
os.rename("inbox/a.txt", "sorted/a.txt")
os.replace("sorted/a.txt", "c.txt")
os.link("c.txt", "inbox/hard.txt")
shutil.move("c.txt", "inbox")
pathlib.Path("inbox/deep").rename("sorted/deep")
os.rename("sorted", "inbox/sorted")
with tempfile.NamedTemporaryFile("w", delete=False) as written:
    written.write("t")
os.replace(written.name, "taken")
found = sorted(str(path) for path in pathlib.Path("inbox").rglob("*"))
print(["inbox", *found])
print(os.stat("inbox/c.txt").st_nlink, open("inbox/hard.txt").read(), open("taken").read())
