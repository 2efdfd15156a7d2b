"""The digest as text."""


def title(text):
    return "\n{}\n{}\n".format(text, "-" * len(text))


def count_rows(counts):
    return "".join("{:>8}  {}\n".format(n, key) for key, n in counts)


def latency_rows(rows):
    lines = ["requests   median      p90      p99  slowest  path\n"]
    for row in rows:
        lines.append(
            "{:>8} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}  {}\n".format(
                row.requests, row.median, row.p90, row.p99, row.slowest, row.path
            )
        )
    return "".join(lines)


def hour_rows(by_hour):
    busiest = max(by_hour.values(), default=0)
    lines = []
    for hour, n in sorted(by_hour.items()):
        bar = "#" * (40 * n // busiest)
        lines.append("{:02d}:00 {:>6}  {}\n".format(hour, n, bar))
    return "".join(lines)
