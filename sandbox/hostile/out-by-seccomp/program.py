import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
# A filter that lets everything pass, one that asks a listener, and one that asks a tracer.
got = []
for name, flags, verdict in (("allow", 0, 0x7FFF0000), ("listen", 8, 0x7FC00000), ("trace", 0, 0x7FF00000)):
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000 if name != "trace" else verdict), 8)
    header = struct.pack("HxxxxxxQ", 1, ctypes.addressof(program))
    if name != "trace":
        libc.syscall(317 if os.uname().machine == "x86_64" else 277, 1, flags, header)
if libc.unshare(0x10000000) == 0 or libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0 or libc.chroot(b".") == 0:
    got.append("a way out")
print("held" if not got else got)
