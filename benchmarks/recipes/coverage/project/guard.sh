python3 -S -m unittest discover -s tests
