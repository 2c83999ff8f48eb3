import collections
import datetime
import dataclasses
import types


class Zone(datetime.tzinfo):
    def utcoffset(self, moment):
        raise ValueError


@dataclasses.dataclass
class Point:
    x: int


class Map(dict):
    def keys(self):
        raise ValueError


Point.x = property(lambda self: int("x"))


def answer(x):
    return [datetime.datetime(2024, 1, 1, tzinfo=Zone()), object.__new__(Point), types.MappingProxyType(Map())][x]
