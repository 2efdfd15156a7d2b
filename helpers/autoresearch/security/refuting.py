"""`security refute`: a second mind, which tries to show that a finding is false."""

from __future__ import annotations

from autoresearch.core.security.forms import read_review
from autoresearch.core.security.ledger import SecondLook
from autoresearch.core.security.quotes import redact
from autoresearch.edges.hostfiles import host_session
from autoresearch.security.books import Books
from autoresearch.security.sweeping import require_substance


def refute(books: Books, number: int, text: str) -> SecondLook:
    """Record what somebody else says of a finding, with evidence under the same checks."""
    books.finding(number)
    form = read_review(text)
    evidence = books.tree.verified(form.evidence)
    require_substance(books, evidence, form.reason)
    review = SecondLook(
        finding=number,
        host_session=host_session(books.environ),
        verdict=form.verdict,
        reason=redact(form.reason),
        evidence=evidence,
        **books.stamp(),
    )
    books.write(review)
    return review
