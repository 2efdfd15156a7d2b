"""Prices with discounts."""


def price(amount, each, member):
    """What so many cost, in cents."""
    if amount < 0 or each < 0:
        raise ValueError("negative")
    total = amount * each
    if amount >= 10:
        total -= total // 10
    if member and total > 500:
        total -= 50
    return total


def label(cents):
    """A price as it is shown."""
    if cents % 100 == 0:
        return f"{cents // 100}.-"
    return f"{cents // 100}.{cents % 100:02d}"
