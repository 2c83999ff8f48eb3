import asyncio
import os
import select
import selectors
import stat
import sys


def line():
    taken = b""
    while not taken.endswith(b"\n"):
        taken += os.read(0, 1)
    return taken.decode().strip()


kind = "pipe" if stat.S_ISFIFO(os.fstat(0).st_mode) else "file"
with select.epoll() as waiting:
    waiting.register(0, select.EPOLLIN)
    assert waiting.poll(5)[0][0] == 0
print(kind, line())
with selectors.DefaultSelector() as waiting:
    waiting.register(sys.stdin, selectors.EVENT_READ, line)
    for key, _ in waiting.select(5):
        print(key.data())


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for part in reader:
        print(part.decode().strip())


asyncio.run(main())
