import os
import sys

sys.stdin.reconfigure(encoding="utf-8")
sys.stdout.reconfigure(encoding="utf-8", newline="\n")
sys.stderr.reconfigure(encoding="utf-8")
with open("/dev/stdin") as by_name:
    first = by_name.readline().strip()
with open(0, closefd=False) as by_number:
    rest = by_number.read().split()
print(first, *rest)
sys.stdout.flush()
with open("/dev/stdout", "w") as by_name:
    by_name.write("named\n")
with open("/dev/stderr", "w") as by_name:
    by_name.write("not looked at\n")
os.write(1, "é\n".encode())
sys.__stdout__.write("original\n")
sys.stdout = open(os.dup(1), "w")
print("in its place", flush=True)
