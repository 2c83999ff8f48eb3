with open("big", "wb", buffering=0) as file:
    try:
        while True:
            if file.write(bytes(1 << 20)) == 0:
                break
    except OSError:
        print("held")
