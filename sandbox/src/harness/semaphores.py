"""Semaphores of `multiprocessing` where `/dev/shm` is out of reach (tier B): a pipe that holds a byte for each unit.

Processes that are forked share it. For those that are spawned it is a named one in the box, which they open again.
"""

import _multiprocessing
import _posixshmem
import fcntl
import os
import select
import struct
import termios
import threading
import time


class PipeSemaphore:
    """What `_multiprocessing.SemLock` offers."""

    SEM_VALUE_MAX = 60_000  # bytes that a pipe holds
    RECURSIVE_MUTEX = 0
    folder = ""  # of named ones

    def __init__(self, kind, value, maxvalue, name, unlink):
        maxvalue = min(maxvalue, self.SEM_VALUE_MAX)
        if value > maxvalue:
            raise ValueError("invalid value")
        if unlink:
            # Without a name there is nothing to remove at the end.
            self._use(kind, maxvalue, None, os.pipe())
        else:
            os.mkfifo(self._path(name), 0o600)
            self._use(kind, maxvalue, name, self._open(name))
        os.write(self.end, b"." * value)

    def _use(self, kind, maxvalue, name, ends):
        self.kind, self.maxvalue, self.name = kind, maxvalue, name
        self.handle, self.end = ends
        os.set_blocking(self.handle, False)
        self.count, self.owner = 0, None

    @classmethod
    def _path(cls, name):
        return f"{cls.folder}/sem.{name.strip('/')}"

    @classmethod
    def _open(cls, name):
        # Both ends in one, so that opening does not wait for another process.
        descriptor = os.open(cls._path(name), os.O_RDWR | os.O_CLOEXEC)
        return descriptor, os.dup(descriptor)

    def __del__(self):
        try:
            os.close(self.handle)
            os.close(self.end)
        except (AttributeError, OSError, TypeError):
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
    def _rebuild(cls, handle, kind, maxvalue, name):
        semaphore = cls.__new__(cls)
        semaphore._use(kind, maxvalue, name, cls._open(name))
        return semaphore


def without_shared_memory(box):
    """Puts them in the place of the C library's, and shared memory with a name into the box."""
    PipeSemaphore.folder = f"{box}/shm"
    _multiprocessing.SemLock = PipeSemaphore
    _multiprocessing.sem_unlink = lambda name: os.unlink(PipeSemaphore._path(name))
    _posixshmem.shm_open = lambda path, flags, mode=0o777: os.open(f"{box}/shm/{path.strip('/')}", flags | os.O_CLOEXEC, mode)
    _posixshmem.shm_unlink = lambda path: os.unlink(f"{box}/shm/{path.strip('/')}")
