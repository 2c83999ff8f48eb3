import resource
import subprocess
import sys

code = 'import resource; resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))'
done = subprocess.run([sys.executable, '-c', code], capture_output=True)
print('held' if done.returncode else 'raised')
