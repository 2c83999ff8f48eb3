class Meta(type):
    def __getattr__(cls, name):
        raise ValueError(name)


class Solution(metaclass=Meta):
    pass


def __getattr__(name):
    raise ValueError(name)
