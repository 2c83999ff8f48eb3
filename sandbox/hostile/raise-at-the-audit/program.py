import sys


def hook(event, arguments):
    if event in ("compile", "exec", "sys.settrace", "sys._getframe", "os.chdir") and armed:
        raise ValueError()


armed = False
sys.addaudithook(hook)
armed = True
