import os
import sys

found = [part for part in [*os.environ.values(), *sys.argv, *sys.orig_argv] if 'planted-answer-' in part.replace('planted-answer-\' in', '')]
print(found)
