import os
import stat

for device in ((1, 1), (8, 0), (5, 1), (10, 200)):
    try:
        os.mknod('device', 0o600 | stat.S_IFBLK, os.makedev(*device))
        open('device', 'rb').read(1)
    except OSError:
        pass
    else:
        raise SystemExit('device')
for path in ('/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda', '/dev/tty', '/dev/fuse', '/dev/kvm'):
    try:
        open(path, 'rb')
    except OSError:
        continue
    raise SystemExit(path)
print('held')
