import unittest

from logdigest import digest
from logdigest.latency import latency, slowest_paths
from logdigest.render import count_rows, hour_rows, title
from logdigest.tally import seconds_by_path, tally

LINES = [
    '203.0.113.1 - - [12/Mar/2026:09:00:00 +0000] "GET /b HTTP/1.1" 200 100 0.200\n',
    '203.0.113.2 - - [12/Mar/2026:09:10:00 +0000] "GET /a?x=1 HTTP/1.1" 500 - 0.100\n',
    "not a line\n",
    '203.0.113.1 - - [12/Mar/2026:23:59:59 +0000] "POST /b HTTP/1.1" 200 11 0.400\n',
]

DIGEST = """\
3 requests, 2 visitors, 111 bytes, 1 lines skipped

Most requested
--------------
       2  /b
       1  /a

Busiest visitors
----------------
       2  203.0.113.1
       1  203.0.113.2

Server errors
-------------
       1  /a

Slowest paths
-------------
requests   median      p90      p99  slowest  path
       2    0.200    0.400    0.400    0.400  /b
       1    0.100    0.100    0.100    0.100  /a

By hour
-------
09:00      2  ########################################
23:00      1  ####################
"""


class Digest(unittest.TestCase):
    def test_small_log(self):
        self.assertEqual(digest(LINES), DIGEST)

    def test_lines_may_come_from_a_generator(self):
        self.assertEqual(digest(line for line in LINES), DIGEST)

    def test_empty_log(self):
        self.assertTrue(digest([]).startswith("0 requests, 0 visitors, 0 bytes, 0 lines skipped\n"))


class Tally(unittest.TestCase):
    def test_ties_by_name(self):
        self.assertEqual(tally(["b", "c", "a", "c", "b"]), [("b", 2), ("c", 2), ("a", 1)])

    def test_generator(self):
        self.assertEqual(tally(key for key in "aab"), [("a", 2), ("b", 1)])

    def test_nothing(self):
        self.assertEqual(tally([]), [])


class Latency(unittest.TestCase):
    def test_nearest_rank(self):
        row = latency("/a", [3.0, 1.0, 2.0, 4.0])
        self.assertEqual((row.requests, row.median, row.p90, row.slowest), (4, 2.0, 4.0, 4.0))

    def test_input_keeps_its_order(self):
        seconds = [3.0, 1.0, 2.0]
        latency("/a", seconds)
        self.assertEqual(seconds, [3.0, 1.0, 2.0])

    def test_slowest_first_then_by_name(self):
        rows = slowest_paths({"/b": [1.0], "/a": [1.0], "/c": [2.0]}, 2)
        self.assertEqual([row.path for row in rows], ["/c", "/a"])


class Grouping(unittest.TestCase):
    def test_order_of_first_appearance(self):
        from logdigest.entry import parse_line

        entries = [entry for entry in map(parse_line, LINES) if entry]
        groups = seconds_by_path(entries)
        self.assertEqual(list(groups.items()), [("/b", [0.2, 0.4]), ("/a", [0.1])])


class Render(unittest.TestCase):
    def test_title(self):
        self.assertEqual(title("By hour"), "\nBy hour\n-------\n")

    def test_counts(self):
        self.assertEqual(count_rows([("/a", 12)]), "      12  /a\n")

    def test_no_hours(self):
        self.assertEqual(hour_rows({}), "")
