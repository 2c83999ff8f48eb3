# CWE-95
import re
class C:
    PATTERN = re.compile(r"^[0-9+*/ -]+$")
    def ok(self, e):
        return bool(self.PATTERN.match(e))
    def f(self, e):
        if not self.ok(e):
            raise ValueError
        return eval(e)
