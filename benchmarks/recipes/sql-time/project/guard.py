import pathlib
import sqlite3

link = sqlite3.connect(":memory:")
link.executescript(pathlib.Path("sql/schema.sql").read_text())
link.execute("INSERT INTO customer VALUES (1, 'a'), (2, 'b')")
link.execute("INSERT INTO sale VALUES (1, 2, 5), (2, 2, 6), (3, 1, 1)")
rows = link.execute(pathlib.Path("sql/report.sql").read_text()).fetchall()
assert rows == [("b", 11), ("a", 1)], rows
