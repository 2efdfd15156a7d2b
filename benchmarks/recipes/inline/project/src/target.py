"""Words that occur more than once."""


def work(text):
    """The repeated words, in the order of their first repetition."""
    words, found = text.split(), []
    for index, word in enumerate(words):
        if word in words[:index] and word not in found:
            found.append(word)
    return found
