import glob
import os

own = os.getcwd()
found = []
for pattern in ('/tmp/real-sandbox-*/worker-*/box/work/*', os.path.join(own, '../../../worker-*/box/work/*'), '/proc/[0-9]*/cwd/*'):
    for path in glob.glob(pattern):
        if not os.path.realpath(path).startswith(own):
            found.append(path)
print('held' if not found else found)
