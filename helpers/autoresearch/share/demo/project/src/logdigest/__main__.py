"""python -m logdigest access.log"""

import sys

from . import digest


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python -m logdigest FILE")
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print(digest(log), end="")


if __name__ == "__main__":
    main()
