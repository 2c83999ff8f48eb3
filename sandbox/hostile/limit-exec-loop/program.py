import os
import sys

os.execv(sys.executable, [sys.executable, '-c', 'import os, sys\nos.execv(sys.executable, sys.orig_argv)'])
