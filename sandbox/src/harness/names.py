"""Names that are used after a program has run: bound here, so that patched builtins and modules do not reach them."""

import _thread
import array
import atexit
import binascii
import builtins
import codecs
import collections
import dataclasses
import datetime
import decimal
import fractions
import functools
import importlib.machinery
import io
import keyword
import linecache
import logging
import marshal
import numbers
import operator
import posix
import resource
import stat
import threading
import time
import tokenize
import traceback
import types
from builtins import (
    AttributeError, BaseException, EOFError, Exception, FileExistsError, KeyboardInterrupt, MemoryError, NameError, OSError,
    SyntaxError, SystemExit, TypeError, ValueError, all, bool, bytearray, bytes, compile, complex, dict, eval, exec, float,
    frozenset, getattr, id, int, isinstance, issubclass, len, list, max, memoryview, next, open, print, range, repr, reversed, set,
    sorted, str, tuple, type,
)
