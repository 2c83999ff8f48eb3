import collections
import dataclasses
import fractions
import types

dataclasses._FIELD = None
fractions.Fraction.__new__ = lambda *values: 42
collections.deque = types.SimpleNamespace = lambda *values: 42
dataclasses.fields = lambda value: ()
type.mro
for name in ("Fraction", "Decimal"):
    setattr(fractions, name, int)


def answer():
    return dataclasses.make_dataclass("Point", ["x"])(1)
