# Follows resident.py: how many library modules each program of a JSON list on standard input lets it read.
import json
import tempfile

programs = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    os.mkdir(os.path.join(folder, "work"))
    os.chdir(os.path.join(folder, "work"))
    resident = Resident("import os, typing\n")
    # The same text once more is a program like others.
    assert resident.check("import os, typing\n") == (0, [])
    counts = []
    for program in programs:
        before = resident.loads
        resident.check(program)
        counts.append(resident.loads - before)
    print(json.dumps(counts))
