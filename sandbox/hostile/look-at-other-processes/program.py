import os

seen = []
for pid in range(1, 400):
    if pid == os.getpid():
        continue
    for name in ('cmdline', 'environ', 'cwd', 'root', 'maps'):
        try:
            seen.append(open(f'/proc/{pid}/{name}', 'rb').read(1))
        except OSError:
            pass
print('held' if not seen else seen)
