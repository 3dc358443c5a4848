"""Errors by whose fault they are; the host decides by type what to do (HANDBOOK, section 6).

Each error carries a `Code`: a number that may enter a result hash (never changed, never reused)
and a name that users match on. The table is `chainnode/types/codes.py`; `docs/errors.md` explains each.
"""

from chainnode.types.codes import Code


class ChainError(Exception):
    """Any failure with a stable code. `detail` is one plain sentence for people."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.name}: {detail or code.meaning}")
        self.code = code
        self.detail = detail or code.meaning


class Malformed(ChainError):
    """The sender's bytes are at fault: drop them, lower the peer's score; HTTP 400."""


class Rejected(ChainError):
    """A rule says no: a failed receipt; HTTP 422. `detail` must be deterministic: it enters result hashes."""


class Unavailable(ChainError):
    """The moment is at fault: retry later; HTTP 503."""


class Corrupt(ChainError):
    """Our disk is at fault: stop the node and tell the operator."""
