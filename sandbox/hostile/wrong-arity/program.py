class Checker:
    def check(self):
        return None


def check():
    return None
