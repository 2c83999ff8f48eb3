"""Semaphores of `multiprocessing` where `/dev/shm` is out of reach (tier B): a pipe that holds a byte for each unit.

Processes that are forked share it, which is how `multiprocessing` starts them here by default. One that is spawned cannot
find it again.
"""

import _multiprocessing
import fcntl
import select
import struct
import termios
import threading
import time


class PipeSemaphore:
    """What `_multiprocessing.SemLock` offers."""

    SEM_VALUE_MAX = 60_000  # bytes that a pipe holds
    RECURSIVE_MUTEX = 0

    def __init__(self, kind, value, maxvalue, name, unlink):
        # Without a name there is nothing to remove from `/dev/shm`.
        self.kind, self.maxvalue, self.name = kind, min(maxvalue, self.SEM_VALUE_MAX), None
        if value > self.maxvalue:
            raise ValueError("invalid value")
        self.handle, self.end = os.pipe()
        os.set_blocking(self.handle, False)
        os.write(self.end, b"." * value)
        self.count, self.owner = 0, None

    def __del__(self):
        try:
            os.close(self.handle)
            os.close(self.end)
        except (AttributeError, OSError):
            pass

    def acquire(self, block=True, timeout=None):
        if self.kind == self.RECURSIVE_MUTEX and self._is_mine():
            self.count += 1
            return True
        deadline = None if timeout is None else time.monotonic() + max(timeout, 0)
        while True:
            try:
                os.read(self.handle, 1)
                break
            except BlockingIOError:
                left = None if deadline is None else deadline - time.monotonic()
                if not block or (left is not None and left <= 0):
                    return False
                select.select([self.handle], [], [], left)
        self.count += 1
        self.owner = threading.get_ident()
        return True

    def release(self):
        if self.kind == self.RECURSIVE_MUTEX:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self.count > 1:
                self.count -= 1
                return
        elif self._get_value() >= self.maxvalue:
            raise ValueError("semaphore or lock released too many times")
        self.count -= 1
        os.write(self.end, b".")

    def _count(self):
        return self.count

    def _is_mine(self):
        return self.count > 0 and self.owner == threading.get_ident()

    def _get_value(self):
        return struct.unpack("i", fcntl.ioctl(self.handle, termios.FIONREAD, b"\0\0\0\0"))[0]

    def _is_zero(self):
        return self._get_value() == 0

    def _after_fork(self):
        self.count = 0

    __enter__ = acquire

    def __exit__(self, *error):
        self.release()

    @classmethod
    def _rebuild(cls, *parts):
        raise OSError("this sandbox has no semaphores with names: use the start method \"fork\"")


def without_shared_memory():
    """Puts them in the place of the C library's."""
    _multiprocessing.SemLock = PipeSemaphore
