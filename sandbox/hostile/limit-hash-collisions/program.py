class Key:
    __hash__ = lambda self: 1
    __eq__ = lambda self, other: self is other


table = {}
while True:
    table[Key()] = 1
