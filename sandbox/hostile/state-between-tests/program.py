import json
import os
import sys

import numpy

found = [name for name in (os.listdir(".") + os.listdir(os.environ["TMPDIR"])) if name.startswith("left")]
found += ["module"] if "left" in sys.modules else []
found += ["patch"] if getattr(json, "left", None) else []
found += ["patch"] if getattr(numpy, "left", None) else []
print(found)
open("left-here", "w").close()
open(os.environ["TMPDIR"] + "/left-there", "w").close()
sys.modules["left"] = json
json.left = numpy.left = True
