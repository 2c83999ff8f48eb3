def answer():
    return 'True'
