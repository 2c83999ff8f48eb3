import os

for path in ('../' * 20 + 'etc/shadow', '/proc/self/root/etc/shadow', '/proc/1/root/etc/shadow', '/proc/self/cwd/../../../../etc/shadow', '/dev/fd/../../etc/shadow'):
    try:
        open(path).read(1)
    except OSError:
        continue
    raise SystemExit(path)
print('held')
