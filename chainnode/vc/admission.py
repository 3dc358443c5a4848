"""What the ledger's word on an issuer adds to the verification of a credential."""

from dataclasses import replace
from typing import Protocol

from chainnode.vc.verify import ISSUER_TRUST, Result


class Admission(Protocol):
    """A record of an issuer, as the contract `credentials` keeps it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def is_admitted(self) -> bool:
        """Whether the super nodes have admitted it, and not removed it since."""

    @property
    def by(self) -> str:
        """The decision."""

    @property
    def height(self) -> int:
        """Its block."""


def with_admission(result: Result, found: Admission | None) -> Result:
    """The result with what the ledger says of the issuer. It stays as valid as it was: whom to trust is the verifier's to say."""
    if found is not None and found.is_admitted:
        words = f"the super nodes admitted its issuer as {found.name!r}: {found.by}, block {found.height}"
        return replace(result, checked=(*result.checked, words), unchecked=tuple(one for one in result.unchecked if one != ISSUER_TRUST))
    words = "no issuer that the super nodes admitted"
    if found is not None:
        words = f"an issuer that the super nodes removed: {found.by}, block {found.height}"
    unchecked = tuple(f"{ISSUER_TRUST}: it is {words}" if one == ISSUER_TRUST else one for one in result.unchecked)
    return replace(result, unchecked=unchecked)
