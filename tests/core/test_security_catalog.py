"""Lists that findings are mapped to, and the STRIDE table."""

from __future__ import annotations

import pytest
from autoresearch.core.security.catalog import API, LLM, TOP10_2021, TOP10_2025, categories
from autoresearch.core.security.severity import rate
from autoresearch.core.security.stride import APPLIES, PERSONAS, QUESTIONS, ElementKind, Stride


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
    assert set(PERSONAS) == set(QUESTIONS) == set(Stride)
    assert all(len(set(personas)) == len(personas) > 1 for personas in PERSONAS.values())


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
    assert {category.code for category in TOP10_2025.values()} == {
        f"A{n:02d}" for n in range(1, 11)
    }
    assert {category.code for category in TOP10_2021.values()} == {
        f"A{n:02d}" for n in range(1, 11)
    }
    assert len(TOP10_2025) == 249  # as the pages list them; the introduction counts 248
    assert (len(LLM), len(API)) == (10, 10)
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
