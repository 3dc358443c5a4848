"""A node of a main chain in memory that holds headers of a city, and one of the city."""

from dataclasses import dataclass, field

from chainnode.errors import Rejected, Unavailable
from chainnode.types.bundle import Bundle
from chainnode.types.codes import NOT_ANCHORED, NOT_FOUND
from tests.anchor_world import AC, AnchorWorld, make_anchor_world
from tests.client.live_node import LiveNode


@dataclass
class AnchorNode(LiveNode):
    """The main chain's. `held` are the heights of the city that it anchored."""

    two: AnchorWorld = field(default_factory=make_anchor_world)
    held: tuple[int, ...] = (2, 3)

    def __post_init__(self) -> None:
        self.world = self.two.main
        super().__post_init__()

    async def bundle_anchor(self, ac: str, height: int | None) -> Bundle:
        if ac != AC:
            raise Rejected(NOT_FOUND, f"no chain is on record as {ac}")
        found = [one for one in self.held if height is None or one >= height]
        if not found:
            raise Unavailable(NOT_ANCHORED, "not yet")
        return self.two.anchor(found[-1] if height is None else found[0])
