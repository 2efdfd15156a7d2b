"""A small real project, a story of scripted proposals, and the loop that referees them."""
