"""How many numbers below n have a digit 3, or are no square."""

import sys


def main():
    numbers = [str(number) for number in range(int(sys.argv[1]))]
    texts = [number.zfill(40) for number in numbers]
    squares = {str(number * number) for number in range(int(sys.argv[1]))}
    print(count(texts, squares))


def count(texts, squares):
    return sum(1 for text in texts if "3" in text or text.lstrip("0") not in squares)


if __name__ == "__main__":
    main()
