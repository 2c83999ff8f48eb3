import itertools

try:
    for number in itertools.count():
        with open(f"small-{number}", "wb") as file:
            file.write(bytes(1 << 16))
except OSError:
    print("held")
