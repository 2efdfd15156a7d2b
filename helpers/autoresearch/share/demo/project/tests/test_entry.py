import unittest

from logdigest.entry import parse_line, parse_path, parse_size

LINE = '203.0.113.7 - anna [12/Mar/2026:13:05:22 +0000] "GET /shop?id=3 HTTP/1.1" 200 5120 0.042'


class ParseLine(unittest.TestCase):
    def test_fields(self):
        entry = parse_line(LINE + "\n")
        self.assertEqual(entry.host, "203.0.113.7")
        self.assertEqual(entry.hour, 13)
        self.assertEqual(entry.path, "/shop")
        self.assertEqual(entry.status, 200)
        self.assertEqual(entry.size, 5120)
        self.assertEqual(entry.seconds, 0.042)

    def test_space_in_path(self):
        entry = parse_line(LINE.replace("/shop?id=3", "/docs/user guide.pdf"))
        self.assertIsNotNone(entry)
        self.assertEqual(entry.path, "/docs/user guide.pdf")

    def test_no_body(self):
        self.assertEqual(parse_line(LINE.replace("5120", "-")).size, 0)

    def test_rare_method_and_protocol(self):
        self.assertEqual(parse_line(LINE.replace("GET", "PROPFIND")).path, "/shop")
        self.assertEqual(parse_line(LINE.replace("HTTP/1.1", "HTTP/2")).path, "/shop")

    def test_address_of_version_6(self):
        self.assertEqual(parse_line(LINE.replace("203.0.113.7", "2001:db8::7")).host, "2001:db8::7")

    def test_not_an_entry(self):
        for line in (
            "",
            "worker process 41 exited on signal 11",
            LINE.replace(":13:05", ":24:05"),
            LINE.replace(":13:05", ":xx:05"),
            LINE.replace("0.042", "nan"),
            LINE.replace("0.042", "42"),
            LINE.replace(" 200 ", " 0200 "),
            LINE.replace(" 200 ", " 900 "),
            LINE.replace("5120", "5-20"),
            LINE.replace("[", ""),
            LINE.replace("GET", "get"),
            LINE + " more",
        ):
            with self.subTest(line=line):
                self.assertIsNone(parse_line(line))


class Parts(unittest.TestCase):
    def test_path_without_query(self):
        self.assertEqual(parse_path("/a/b?c=d?e"), "/a/b")
        self.assertEqual(parse_path("/a/b"), "/a/b")

    def test_size(self):
        self.assertEqual(parse_size("17"), 17)
        self.assertEqual(parse_size("-"), 0)
