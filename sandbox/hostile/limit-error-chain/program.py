error = ValueError("0")
for number in range(200_000):
    following = ValueError(str(number))
    following.__cause__ = error
    error = following
raise error
