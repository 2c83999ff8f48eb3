input('42')
