"""A small command line."""

import asyncio
import email.message
import sys
import unittest.mock


def main():
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    if parser.parse_args().version:
        print("tool 1.0")


if __name__ == "__main__":
    main()
