import sys

sys.stdout.write({"0": "wrong\rright", "1": "wrong\b\b\b\b\bright", "2": "right\x00wrong", "3": "right\x1b[8mwrong", "4": "right\x0cwrong"}[input()])
