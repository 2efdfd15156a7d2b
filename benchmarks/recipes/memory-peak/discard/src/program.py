"""How many numbers below n have a digit 3, or are no square."""

import math
import sys


def main():
    kept = [number for number in range(int(sys.argv[1])) if counts(number)]
    kept = [str(number).zfill(400) for number in kept]
    print(len(kept))


def counts(number):
    return "3" in str(number) or number == 0 or math.isqrt(number) ** 2 != number


if __name__ == "__main__":
    main()
