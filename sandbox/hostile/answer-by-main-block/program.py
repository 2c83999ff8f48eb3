if __name__ == '__main__':
    def answer():
        return 42
