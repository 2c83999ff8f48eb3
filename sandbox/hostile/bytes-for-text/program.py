import os


def surrogate():
    return "\ud800"


if __name__ == "__main__":
    os.write(1, b"\xff\n")
