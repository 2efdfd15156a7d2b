"""Public lists that findings are mapped to, with the editions they were taken from.

Sources, read in November 2026: OWASP Top 10:2025 and OWASP Top 10:2021, "List of Mapped CWEs" of
each category (https://owasp.org/Top10/, repository OWASP/Top10); OWASP Top 10 for LLM
Applications 2026 (https://genai.owasp.org/resource/owasp-genai-llm-top-10-2026/); OWASP API
Security Top 10 2023 (https://owasp.org/API-Security/editions/2023/en/0x11-t10/). CWE numbers are
MITRE's (https://cwe.mitre.org/). Only numbers and titles are kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CWE = 1500
"""Above MITRE's highest number (CWE 4.18 ends below 1430), with room for the next editions."""


class Category(NamedTuple):
    """One entry of a list."""

    edition: str
    code: str
    title: str

    @property
    def label(self) -> str:
        """As its publisher writes it: `A05:2025 Injection`."""
        return f"{self.code}:{self.edition} {self.title}"


# fmt: off
_TOP10_2025: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "A01": (
        "Broken Access Control",
        (
            22, 23, 36, 59, 61, 65, 200, 201, 219, 276, 281, 282, 283, 284, 285, 352, 359, 377,
            379, 402, 424, 425, 441, 497, 538, 540, 548, 552, 566, 601, 615, 639, 668, 732, 749,
            862, 863, 918, 922, 1275,
        ),
    ),
    "A02": (
        "Security Misconfiguration",
        (
            5, 11, 13, 15, 16, 260, 315, 489, 526, 547, 611, 614, 776, 942, 1004, 1174,
        ),
    ),
    "A03": (
        "Software Supply Chain Failures",
        (
            447, 1035, 1104, 1329, 1357, 1395,
        ),
    ),
    "A04": (
        "Cryptographic Failures",
        (
            261, 296, 319, 320, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330, 331, 332, 334,
            335, 336, 337, 338, 340, 342, 347, 523, 757, 759, 760, 780, 916, 1240, 1241,
        ),
    ),
    "A05": (
        "Injection",
        (
            20, 74, 76, 77, 78, 79, 80, 83, 86, 88, 89, 90, 91, 93, 94, 95, 96, 97, 98, 99, 103,
            104, 112, 113, 114, 115, 116, 129, 159, 470, 493, 500, 564, 610, 643, 644, 917,
        ),
    ),
    "A06": (
        "Insecure Design",
        (
            73, 183, 256, 266, 269, 286, 311, 312, 313, 316, 362, 382, 419, 434, 436, 444, 451,
            454, 472, 501, 522, 525, 539, 598, 602, 628, 642, 646, 653, 656, 657, 676, 693, 799,
            807, 841, 1021, 1022, 1125,
        ),
    ),
    "A07": (
        "Authentication Failures",
        (
            258, 259, 287, 288, 289, 290, 291, 293, 294, 295, 297, 298, 299, 300, 302, 303, 304,
            305, 306, 307, 308, 309, 346, 350, 384, 521, 613, 620, 640, 798, 940, 941, 1390, 1391,
            1392, 1393,
        ),
    ),
    "A08": (
        "Software or Data Integrity Failures",
        (
            345, 353, 426, 427, 494, 502, 506, 509, 565, 784, 829, 830, 915, 926,
        ),
    ),
    "A09": (
        "Security Logging and Alerting Failures",
        (
            117, 221, 223, 532, 778,
        ),
    ),
    "A10": (
        "Mishandling of Exceptional Conditions",
        (
            209, 215, 234, 235, 248, 252, 274, 280, 369, 390, 391, 394, 396, 397, 460, 476, 478,
            484, 550, 636, 703, 754, 755, 756,
        ),
    ),
}

_TOP10_2021: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "A01": (
        "Broken Access Control",
        (
            22, 23, 35, 59, 200, 201, 219, 264, 275, 276, 284, 285, 352, 359, 377, 402, 425, 441,
            497, 538, 540, 548, 552, 566, 601, 639, 651, 668, 706, 862, 863, 913, 922, 1275,
        ),
    ),
    "A02": (
        "Cryptographic Failures",
        (
            259, 261, 296, 310, 319, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330, 331, 335,
            336, 337, 338, 340, 347, 523, 720, 757, 759, 760, 780, 818, 916,
        ),
    ),
    "A03": (
        "Injection",
        (
            20, 74, 75, 77, 78, 79, 80, 83, 87, 88, 89, 90, 91, 93, 94, 95, 96, 97, 98, 99, 100,
            113, 116, 138, 184, 470, 471, 564, 610, 643, 644, 652, 917,
        ),
    ),
    "A04": (
        "Insecure Design",
        (
            73, 183, 209, 213, 235, 256, 257, 266, 269, 280, 311, 312, 313, 316, 419, 430, 434,
            444, 451, 472, 501, 522, 525, 539, 579, 598, 602, 642, 646, 650, 653, 656, 657, 799,
            807, 840, 841, 927, 1021, 1173,
        ),
    ),
    "A05": (
        "Security Misconfiguration",
        (
            2, 11, 13, 15, 16, 260, 315, 520, 526, 537, 541, 547, 611, 614, 756, 776, 942, 1004,
            1032, 1174,
        ),
    ),
    "A06": (
        "Vulnerable and Outdated Components",
        (
            937, 1035, 1104,
        ),
    ),
    "A07": (
        "Identification and Authentication Failures",
        (
            255, 259, 287, 288, 290, 294, 295, 297, 300, 302, 304, 306, 307, 346, 384, 521, 613,
            620, 640, 798, 940, 1216,
        ),
    ),
    "A08": (
        "Software and Data Integrity Failures",
        (
            345, 353, 426, 494, 502, 565, 784, 829, 830, 915,
        ),
    ),
    "A09": (
        "Security Logging and Monitoring Failures",
        (
            117, 223, 532, 778,
        ),
    ),
    "A10": (
        "Server-Side Request Forgery",
        (
            918,
        ),
    ),
}
# fmt: on

LLM: Mapping[str, Category] = {
    f"LLM{number:02d}": Category("2026", f"LLM{number:02d}", title)
    for number, title in enumerate(
        (
            "Prompt Injection",
            "Sensitive Information Disclosure",
            "Excessive Agency",
            "Supply Chain",
            "Data and Model Poisoning",
            "Unbounded Consumption",
            "Misinformation",
            "Hidden Context Exposure",
            "Vector and Embedding Weaknesses",
            "Improper Output Handling",
        ),
        start=1,
    )
}

API: Mapping[str, Category] = {
    f"API{number}": Category("2023", f"API{number}", title)
    for number, title in enumerate(
        (
            "Broken Object Level Authorization",
            "Broken Authentication",
            "Broken Object Property Level Authorization",
            "Unrestricted Resource Consumption",
            "Broken Function Level Authorization",
            "Unrestricted Access to Sensitive Business Flows",
            "Server Side Request Forgery",
            "Security Misconfiguration",
            "Improper Inventory Management",
            "Unsafe Consumption of APIs",
        ),
        start=1,
    )
}


def _by_cwe(
    edition: str, categories: Mapping[str, tuple[str, tuple[int, ...]]]
) -> dict[int, Category]:
    return {
        cwe: Category(edition, code, title)
        for code, (title, cwes) in categories.items()
        for cwe in cwes
    }


TOP10_2025 = _by_cwe("2025", _TOP10_2025)
"""CWE -> its category."""

TOP10_2021 = _by_cwe("2021", _TOP10_2021)


_NAMED = {**LLM, **API}


def categories(cwes: tuple[int, ...], lists: tuple[str, ...] = ()) -> tuple[Category, ...]:
    """Every category that a finding falls into, 2025 before 2021, each once.

    Args:
        cwes: of the finding, the primary one first; one that OWASP maps nowhere adds nothing.
        lists: codes of the LLM and API lists (`LLM01`, `API3`), chosen by whoever found it.

    Raises:
        KeyError: a code that no list has.
    """
    found = [table[cwe] for table in (TOP10_2025, TOP10_2021) for cwe in cwes if cwe in table]
    found += [_NAMED[code] for code in lists]
    return tuple(dict.fromkeys(found))
