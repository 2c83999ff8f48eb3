print({"v": "4\x0b2", "f": "4\x0c2", "n": "4\x852", "s": "4\u20282", "r": "wrong\r4\n2"}[input()])
