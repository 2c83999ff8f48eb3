class Meta(type):
    def mro(cls):
        return [*type.mro(cls)[:1], ValueError, KeyError, TypeError, *type.mro(cls)[1:]]

    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(ValueError)

    def __instancecheck__(cls, value):
        return True

    def __subclasscheck__(cls, kind):
        return True


class Layout(Exception):
    pass


def check():
    class Odd(Layout, metaclass=Meta):
        pass

    raise Odd


class Liar(Exception):
    @property
    def __class__(self):
        return ValueError


def liar():
    raise Liar
