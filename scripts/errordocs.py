"""Writes docs/errors.md from the table of codes: scripts/errordocs.py > docs/errors.md."""

import sys

from chainnode.types.codes import CODES


def page() -> str:
    """The whole page, codes in order of number."""
    rows = [f"| {code.number} | `{code.name}` | {code.meaning} |" for code in sorted(CODES.values(), key=lambda code: code.number)]
    head = """# Error codes

Numbers and names never change and are never reused. Those below 900 and from 1000 on may enter the hash of a
transaction's result; those between speak of a node, its disk or its network. This page is made by `scripts/errordocs.py`.

| number | name | meaning |
|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
