import os

for target in ('@SECRET@', os.__file__, '/etc/passwd'):
    try:
        os.link(target, 'link')
        open('link', 'a').write('x')
    except OSError:
        continue
    raise SystemExit(target)
print('held')
