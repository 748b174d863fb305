"""What is said when too much of a delivery is rejected: why, and which setting reads such rows."""

import re
from collections.abc import Iterable
from pathlib import Path

from abintel_pipeline.intake.rejected.files import Reason, RejectedDelivery

COMMONEST = 5
_SHOWN = 300

ADVICE: tuple[tuple[str, str, str], ...] = (
    (
        r"not UTF-8",
        "",
        "ABINTEL_ENCODING=cp1252, if a program on Windows wrote the files, or whichever they have",
    ),
    (
        r"not a number",
        r"\d,\d{1,2}(?!\d)",
        "ABINTEL_DECIMAL_MARK=',' reads numbers such as 12,50",
    ),
    (
        r'not a number with ","',
        r"\d\.\d{1,2}(?!\d)",
        "ABINTEL_DECIMAL_MARK=. reads numbers such as 12.50",
    ),
    (
        r"not a number",
        r"\d[,.' \u00a0\u202f]\d{3}(?!\d)",
        "ABINTEL_THOUSANDS_MARK says what parts the thousands of a number",
    ),
    (
        r"(?<!loyalty_score: )negative",
        "",
        "ABINTEL_RETURNS=net, if negative amounts are returns: they lower the spend",
    ),
    (
        r"(not an ISO|no) calendar date",
        "",
        "ABINTEL_DATE_FORMAT says how dates are written, as '%d.%m.%Y', '%m/%d/%Y %H:%M' or"
        " YYYYMMDD",
    ),
    (
        r"customer_id: (missing|blank)",
        "",
        "ABINTEL_NOBODY_IDS='[\"\"]' leaves out rows without a customer, if they are nobody's",
    ),
    (
        r"(transaction_id|product_id): (missing|blank)",
        "",
        "ABINTEL_TRANSACTION_COLUMNS with null for an id that the source doesn't have, as"
        " '{\"product_id\": null}'",
    ),
    (
        r"fields?, the header has",
        "",
        "ABINTEL_CSV_DELIMITER, if the fields are separated otherwise; a field that holds the"
        " delimiter must stand in quotes",
    ),
    (
        r"line_id.*: (duplicate|conflict)$",
        "",
        "ABINTEL_REPEATED_LINES=add adds up lines that stand alike in a delivery, if it is set to"
        " refuse; a line_id must be unique in its order",
    ),
)
"""(pattern of a reason, pattern of the rows that have it, which setting helps)."""


def told(delivery: RejectedDelivery, landing: Path) -> str:
    """The commonest reasons, each with an example, and what may help."""
    reasons = [
        f"  {reason.rows:,} {'row' if reason.rows == 1 else 'rows'}: {reason.name}, as"
        f" {first.file}, row {first.row}:"
        f" {first.raw[:_SHOWN]}"
        for reason in delivery.reasons[:COMMONEST]
        for first in reason.examples[:1]
    ]
    return "\n".join(
        [
            f"{delivery}. Nothing was published. The commonest reasons:",
            *reasons,
            f"All of them: abintel rejected {delivery.day}. What may help:",
            *(f"  {one}" for one in advice(delivery, landing)),
        ]
    )


def advice(delivery: RejectedDelivery, landing: Path) -> list[str]:
    """What may help, by the commonest reason first; how to look closer; and the cap at last."""
    found = (setting for reason in delivery.reasons for setting in settings_for(reason))
    return [
        *dict.fromkeys(found),
        *_inspect(delivery.reasons, landing),
        f"{delivery.sufficient_cap} drops these rows and takes in the others",
    ]


def settings_for(reason: Reason) -> Iterable[str]:
    """The settings that help with a reason: most of its rows look as if they would."""
    for name, rows, told in ADVICE:
        alike = [one for one in reason.examples if re.search(rows, one.raw)]
        if re.search(name, reason.name) and 2 * len(alike) > len(reason.examples):
            yield told


def _inspect(reasons: tuple[Reason, ...], landing: Path) -> list[str]:
    """The command that looks at the file of the commonest reason, where it can read one."""
    files = [reason.examples[0].file for reason in reasons]
    read = [name for name in files if name.startswith(("transactions/", "customers/"))]
    return [f"abintel inspect {landing / one} proposes settings" for one in read[:1]]
