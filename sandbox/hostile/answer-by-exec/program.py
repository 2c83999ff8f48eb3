import os
import sys

print("right")
sys.stdout.flush()
os.execv("/bin/sh", ["sh", "-c", {"0": "exit 3", "1": "kill -9 $$", "2": "printf wrong", "3": "exit 120"}[input()]])
