raise ValueError("invalid input")
