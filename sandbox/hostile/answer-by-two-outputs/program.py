print(*range(100), sep='\n')
