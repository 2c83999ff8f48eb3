def f(x):
    return ["\udcff", "\ufffd", "\ud83d\ude00", "a\0b", "\u0061\u0301"][x]
