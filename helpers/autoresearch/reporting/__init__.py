"""What a night left, for people: report, live view, trends; made from the records alone."""
