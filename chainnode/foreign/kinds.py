"""The kinds of light clients that this program knows, by name."""

from chainnode.foreign import anchored, tendermint
from chainnode.foreign.kind import Kind

KINDS: dict[str, Kind] = {tendermint.NAME: tendermint, anchored.NAME: anchored}
