"""The kinds of light clients that this program knows, by name."""

from chainnode.foreign import anchored, attestations, qbftclient, tendermint
from chainnode.foreign.kind import Kind

KINDS: dict[str, Kind] = {
    tendermint.NAME: tendermint,
    anchored.NAME: anchored,
    qbftclient.NAME: qbftclient,
    attestations.NAME: attestations,
}
