import zlib

packer = zlib.compressobj(9)
small = b"".join(packer.compress(bytes(1 << 20)) for _ in range(600)) + packer.flush()
large = zlib.decompress(small)
print(len(large) + len(zlib.decompress(small)))
