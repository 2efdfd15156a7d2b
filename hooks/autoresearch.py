"""The program behind hooks.json: `python3 -I -S hooks/autoresearch.py EVENT`.

Isolated and without site, so that no package of the user's takes part; hence the path by hand.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "helpers"))

if __name__ == "__main__":
    from autoresearch.hosts.entry import main

    sys.exit(main(sys.argv[1:]))
