import os
import sys

for name in ('sitecustomize.py', 'usercustomize.py', 'conftest.py', 'evil.pth', 'json.py', 'numpy.py'):
    open(name, 'w').write('print(42)')
    for folder in [*sys.path, os.path.dirname(os.__file__)]:
        try:
            open(os.path.join(folder, name), 'w').write('print(42)')
        except OSError:
            pass
print(7)
