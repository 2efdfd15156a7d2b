"""A small command line."""

import sys


def main():
    if sys.argv[1:] == ["--version"]:
        print("tool 1.0")
        return
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    if parser.parse_args().version:
        print("tool 1.0")


if __name__ == "__main__":
    main()
