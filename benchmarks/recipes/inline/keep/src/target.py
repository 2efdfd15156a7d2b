"""Words that occur more than once."""


def work(text):
    """The repeated words, in the order of their first repetition."""
    seen, found = set(), {}
    for word in text.split():
        if word in seen:
            found[word] = None
        seen.add(word)
    return list(found)
