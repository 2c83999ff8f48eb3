print('7\x1b[2K\r42')
