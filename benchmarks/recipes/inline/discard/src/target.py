"""Words that occur more than once."""


def work(text):
    """The repeated words, in the order of their first repetition."""
    words = text.split()
    counts = {word: len([1 for other in words if other == word]) for word in words}
    seen, found = set(), {}
    for word in words:
        if word in seen and counts[word] > 1:
            found[word] = None
        seen.add(word)
    return list(found)
