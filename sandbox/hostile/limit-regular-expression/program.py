import re

re.match("(a|a|aa)*$", "a" * 200 + "b")
print("done")
