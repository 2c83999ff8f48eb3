import os
import subprocess

for program in ('/bin/su', '/usr/bin/sudo', '/usr/bin/newgrp', '/bin/mount', '/usr/bin/passwd'):
    if os.path.exists(program):
        subprocess.run([program, '-c', 'id'], stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
open('x', 'w').close()
os.chmod('x', 0o4755)
print('held' if os.getuid() != 0 else 'root')
