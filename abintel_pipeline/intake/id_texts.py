r"""Ids: one rule for every format.

Outer white space and characters without width go, letters with accents are composed (NFC), and a
whole number that a program wrote as a float is its digits: `17850.0` is `17850`. Nothing else is
changed: `001` stays `001`. What can't be an id is null, and `id_problem` says why.
"""

import string

from abintel_pipeline.intake.sql_text import quoted
from abintel_pipeline.settings import Settings

CHANGED = "ids_changed"
"""The sequence that counts the ids which were changed; a counter is free where none is."""

_PLAIN = string.ascii_letters + string.digits + "_/"
_OUTER = r"[\s\p{Z}\x{0085}\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}\x{FEFF}]+"
_NO_WIDTH = r"[\x{200B}\x{2060}\x{FEFF}]"
_FLOAT = r"(0|-?[1-9]\d*)\.0+"
_SCIENTIFIC = r"[+-]?\d([.,]\d+)?[eE]\+\d{2,}"
_LARGEST_FLOAT = 2**53

SCIENTIFIC = (
    "in scientific notation, its digits are lost: format the column as text in Excel and export"
    " again"
)
TOO_LARGE = "a float of 2**53 or more, its last digits are lost: export it as text"


def looked_at(text: str, settings: Settings) -> str:
    """SQL of an id's text as it is read, where that has to be looked at; null where it is plain.

    Nearly all ids are letters and digits: one pattern lets them through as they are. What a word
    for missing begins with is never plain.
    """
    starts = {word.strip()[:1] for word in settings.missing_words}
    first = "".join(c for c in _PLAIN if c not in starts) or "0"
    plain = f"regexp_full_match({text}, '[{first}][{_PLAIN}-]*')"
    return f"CASE WHEN NOT {plain} THEN {trimmed(text)} END"


def id_typed(text: str, seen: str, settings: Settings) -> str:
    """SQL of an id from its text and what was `looked_at`; null where none can be told.

    Counts those that it changes.
    """
    normal = _normal(seen, settings)
    counted = f"CASE WHEN {normal} <> {text} AND nextval('{CHANGED}') > 0 THEN {normal}"
    return f"(CASE WHEN {seen} IS NULL THEN {text} ELSE {counted} ELSE {normal} END END)"


def id_uncounted(text: str, seen: str, settings: Settings) -> str:
    """The same without counting."""
    return f"(CASE WHEN {seen} IS NULL THEN {text} ELSE {_normal(seen, settings)} END)"


def id_problem(seen: str, settings: Settings) -> str:
    """SQL of why what was `looked_at` is no id; null where it is one."""
    return (
        f"(CASE WHEN {seen} = '' THEN 'blank' WHEN {_is_word(seen, settings)} THEN 'missing'"
        f" WHEN regexp_full_match({seen}, '{_SCIENTIFIC}') THEN {quoted(SCIENTIFIC)}"
        f" WHEN {_too_large(seen)} THEN {quoted(TOO_LARGE)} END)"
    )


def trimmed(text: str) -> str:
    """SQL of a text without outer white space and characters that have no width."""
    outer = f"regexp_replace({text}, '^{_OUTER}|{_OUTER}$', '', 'g')"
    return f"regexp_replace({outer}, '{_NO_WIDTH}', '', 'g')"


def is_missing(text: str, settings: Settings) -> str:
    """SQL: whether a text is missing, blank, or a word for missing."""
    found = trimmed(text)
    return f"({text} IS NULL OR {found} = '' OR {_is_word(found, settings)})"


def _normal(seen: str, settings: Settings) -> str:
    return (
        f"(CASE WHEN {seen} = '' OR {_is_word(seen, settings)} THEN NULL"
        f" WHEN regexp_full_match({seen}, '{_FLOAT}')"
        f" THEN CASE WHEN NOT {_too_large(seen)} THEN split_part({seen}, '.', 1) END"
        f" WHEN NOT regexp_full_match({seen}, '{_SCIENTIFIC}') THEN nfc_normalize({seen}) END)"
    )


def _too_large(text: str) -> str:
    whole = f"abs(TRY_CAST(split_part({text}, '.', 1) AS HUGEINT))"
    return (
        f"(regexp_full_match({text}, '{_FLOAT}') AND coalesce({whole} >= {_LARGEST_FLOAT}, true))"
    )


def _is_word(text: str, settings: Settings) -> str:
    words = ", ".join(quoted(word.strip()) for word in settings.missing_words if word.strip())
    return f"{text} IN ({words})" if words else "false"
