"""A small command line."""

import argparse
import asyncio
import email.message
import http.client
import sys
import unittest.mock


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    if parser.parse_args().version:
        print("tool 1.0")
    return asyncio, email, http, unittest


if __name__ == "__main__":
    main()
