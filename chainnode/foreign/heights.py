"""Heights of other chains: a revision, which the chain id ends with, and a height within it.

Source: ibc-go modules/core/02-client/types/height.go.
"""

import re
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED

HEIGHT_MAX = 10**12 - 1  # of what is followed here: thirty thousand years of a block per second; keys of the state stay short
REVISION_MAX = 10**8 - 1
_TEXT = re.compile(r"(0|[1-9][0-9]{0,7})-(0|[1-9][0-9]{0,11})", re.ASCII)
_CHAIN_ID = re.compile(r".*[^\n-]-([1-9][0-9]*)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class RevisionHeight:
    """A height of a chain; a higher revision is above every height of a lower one. Its text is `revision-height`."""

    revision: int
    height: int

    def __str__(self) -> str:
        return f"{self.revision}-{self.height}"


def parse_height(text: str) -> RevisionHeight:
    """The height that a text such as `1-42` names. Malformed(MALFORMED)."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise Malformed(MALFORMED, "a height is a revision and a height, as 1-42")
    return RevisionHeight(int(found[1]), int(found[2]))


def revision_of(chain_id: str) -> int:
    """The revision that a chain id ends with, as 2 of `city-2`; 0 when it ends with none."""
    found = _CHAIN_ID.fullmatch(chain_id)
    return 0 if found is None else int(found[1])


def name_of(chain_id: str) -> str:
    """What a chain id is without its revision, as `city` of `city-2`: a chain keeps it when it begins anew."""
    return chain_id.removesuffix(f"-{revision_of(chain_id)}")
