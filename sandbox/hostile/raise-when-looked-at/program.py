class Late:
    def __repr__(self):
        raise ValueError("late")


class Meta(type):
    __module__ = property(lambda self: 1 / 0)


def late():
    return Late()


def kind():
    return Meta("Kind", (), {})()
