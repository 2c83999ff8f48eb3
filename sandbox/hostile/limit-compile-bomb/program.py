x = 1
source = '+'.join(['x'] * 200000)
compile(source, 'x', 'eval')
