import importlib.util
import runpy
import sys
import zipfile

for name in ("one", "three", "four"):
    with open(f"/tmp/made_{name}.py", "w") as file:
        file.write(f"x = {('one', '', 'three', 'four').index(name) + 1}\n")
with zipfile.ZipFile("/tmp/made.zip", "w") as archive:
    archive.writestr("made_two.py", "x = 2\n")
sys.path[:0] = ["/tmp", "/tmp/made.zip"]
import made_one
import made_two

spec = importlib.util.spec_from_file_location("made_three", "/tmp/made_three.py")
made_three = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_three)
print(made_one.x, made_two.x, made_three.x, runpy.run_path("/tmp/made_four.py")["x"])
