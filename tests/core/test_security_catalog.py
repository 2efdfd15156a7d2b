"""Lists that findings are mapped to, and the STRIDE table."""

from __future__ import annotations

import pytest
from autoresearch.core.security.catalog import (
    categories,
    every_category,
    is_code,
    line_rules,
    name_rules,
    rate,
    threats,
)
from autoresearch.core.security.ledger import APPLIES, ElementKind, PlaceKind, Stride


def letters(kind):
    return "".join(threat.value[0].upper() for threat in APPLIES[kind])


def test_stride_per_element_is_shostacks_table():
    """A matrix that asks a data flow for spoofing, or an external entity for tampering."""
    assert {kind.value: letters(kind) for kind in ElementKind} == {
        "external": "SR",
        "process": "STRIDE",
        "store": "TID",
        "log": "TRID",
        "flow": "TID",
    }
    asked = threats()
    assert list(asked) == list(Stride)
    assert all(len(set(one.personas)) == len(one.personas) > 1 for one in asked.values())
    assert all(one.question and one.shows_in for one in asked.values())


def test_every_kind_of_place_has_a_rule_and_a_threat():
    """A kind that no sweep ever sees, or that no cell of the matrix is led to."""
    ruled = {rule.kind for rule in line_rules()} | {kind for kind, _ in name_rules()}
    assert ruled == set(PlaceKind) - {PlaceKind.STRETCH}
    led = set().union(*(one.shows_in for one in threats().values()))
    assert led == set(PlaceKind) - {PlaceKind.ENTRY}


@pytest.mark.parametrize(
    ("cwe", "label_2025", "label_2021"),
    [
        (89, "A05:2025 Injection", "A03:2021 Injection"),
        (
            918,
            "A01:2025 Broken Access Control",
            "A10:2021 Server-Side Request Forgery",
        ),
        (
            502,
            "A08:2025 Software or Data Integrity Failures",
            "A08:2021 Software and Data Integrity Failures",
        ),
        (611, "A02:2025 Security Misconfiguration", "A05:2021 Security Misconfiguration"),
        (209, "A10:2025 Mishandling of Exceptional Conditions", "A04:2021 Insecure Design"),
        (1395, "A03:2025 Software Supply Chain Failures", None),
    ],
)
def test_weakness_falls_into_its_categories_of_both_editions(cwe, label_2025, label_2021):
    """A finding mapped by the old list only, or to the wrong category."""
    found = [category.label for category in categories((cwe,))]
    assert found == [label for label in (label_2025, label_2021) if label is not None]


def test_every_category_is_there_and_named_lists_are_added():
    """A list that lost an entry; a code of the LLM or API list that is dropped."""
    by_edition = {}
    for one in every_category():
        by_edition.setdefault(one.edition, []).append(one)
    numbered = [f"A{n:02d}" for n in range(1, 11)]
    assert [one.code for one in by_edition["2025"]] == numbered
    assert [one.code for one in by_edition["2021"]] == numbered
    # 249 as the pages list them; the introduction counts 248.
    assert len({cwe for one in by_edition["2025"] for cwe in one.cwes}) == 249
    assert [one.code for one in by_edition["2026"]] == [f"LLM{n:02d}" for n in range(1, 11)]
    assert [one.code for one in by_edition["2023"]] == [f"API{n}" for n in range(1, 11)]
    assert is_code("LLM01")
    assert not is_code("A03")
    found = categories((89, 943, 89), ("LLM10", "API8"))
    assert [category.label for category in found] == [
        "A05:2025 Injection",
        "A03:2021 Injection",
        "LLM10:2026 Improper Output Handling",
        "API8:2023 Security Misconfiguration",
    ]


@pytest.mark.parametrize(
    ("metrics", "score", "severity"),
    [
        # The specification's examples (FIRST, CVSS v4.0 Examples) and its extremes.
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0, "critical"),
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", 8.7, "high"),
        ("AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.8, "medium"),
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0, "none"),
    ],
)
def test_score_comes_from_the_vector(metrics, score, severity):
    """A score that somebody typed, or a rating on another scale."""
    rated = rate(f" CVSS:4.0/{metrics}\n")
    assert (rated.vector, rated.score, rated.severity.value) == (
        f"CVSS:4.0/{metrics}",
        score,
        severity,
    )


@pytest.mark.parametrize(
    "vector",
    ["", "9.8", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "x" * 400],
)
def test_what_is_no_vector_is_refused(vector):
    """A finding rated by an older scale, half a vector, or a bare number."""
    with pytest.raises(ValueError, match=r"."):
        rate(vector)


def test_both_owasp_lists_are_read_from_the_data() -> None:
    """A list that the package does not ship, or that another test had read before."""
    every_category.cache_clear()
    assert {one.edition for one in every_category()} >= {"2021", "2025"}
