import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

seen = []
threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with ThreadPoolExecutor(4) as pool:
    squares = list(pool.map(lambda n: n * n, range(8)))
child = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True)
shell = subprocess.run("echo $HOME | wc -l", shell=True, capture_output=True, text=True)
print(sorted(seen), squares, child.stdout.strip(), shell.stdout.strip())
