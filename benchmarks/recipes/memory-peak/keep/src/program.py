"""How many numbers below n have a digit 3, or are no square."""

import math
import sys


def main():
    print(sum(1 for number in range(int(sys.argv[1])) if counts(number)))


def counts(number):
    return "3" in str(number) or number == 0 or math.isqrt(number) ** 2 != number


if __name__ == "__main__":
    main()
