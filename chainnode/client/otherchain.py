"""Facts of another chain, believed on the word of the client's own: each answer is one bundle of two hops (INV-77).

Nodes of both chains only carry the halves. That the other chain's header is the one the own chain verified is checked here, from the own
chain's genesis file alone; of the other chain no genesis file is needed.
"""

import asyncio

from chainnode.client.asking import ACCEPT, Asker
from chainnode.client.nodes import Node, Nodes
from chainnode.client.proved import Halves, Proved, bundle_of, read_two_hops
from chainnode.client.questions import (
    AnyFact,
    Question,
    about_anchor,
    about_digest,
    about_header,
    about_record,
    about_state,
    about_transaction,
)
from chainnode.errors import Rejected, Unavailable
from chainnode.types.bundle import AnchorFact, EvidenceFact, HeaderFact, StateFact, TransactionFact
from chainnode.types.codes import NOT_ANCHORED
from chainnode.types.limits import BUNDLE_LINKS_MAX


class OtherChain:
    """Asks nodes of the chain with the AC number `ac`. Each method raises what those of `Client` do, and Unavailable(NOT_ANCHORED).

    Of each answer `fact` is what holds on the other chain, `anchored` what the own chain says of that chain. Its status is for the
    caller to look at: what a suspended chain had signed is proved all the same.
    """

    def __init__(self, asker: Asker, others: Nodes, ac: str) -> None:
        self._asker = asker
        self._others = others
        self._ac = ac

    async def anchor(self, height: int | None = None) -> Proved[AnchorFact]:
        """Which header of the other chain the own one holds: the newest, or that of `height` or the next one above."""
        return await self._asker.ask(about_anchor(self._ac, height))

    async def state(self, store: str, key: bytes, height: int | None = None, *, min_height: int = 0) -> Proved[StateFact]:
        """What a store held under a key at the newest anchor, which must be above block `min_height`.

        With `height`: after that block; header `height` + 1 must be anchored, or one a few above.
        """
        anchor = await self._newest(min_height) if height is None else await self._above(height + 1)
        at = anchor.fact.height - 1 if height is None else height
        return await self._others.first_good(lambda node: self._ask(node, anchor, about_state(store, key, at), at + 1))

    async def evidence(self, digest: bytes, *, min_height: int = 0) -> Proved[EvidenceFact]:
        """The first record of a digest. Any anchor above the record's block proves it."""
        anchor = await self._newest(min_height)
        at = anchor.fact.height
        return await self._others.first_good(lambda node: self._ask(node, anchor, about_digest(digest, at - 1), at))

    async def record(self, index: int, *, min_height: int = 0) -> Proved[EvidenceFact]:
        """The record at a place of the evidence log."""
        anchor = await self._newest(min_height)
        at = anchor.fact.height
        return await self._others.first_good(lambda node: self._ask(node, anchor, about_record(index, height=at - 1), at))

    async def transaction(self, tx_id: bytes) -> Proved[TransactionFact]:
        """An applied transaction with its result. The header above its block must be anchored, or one a few above that."""
        question = about_transaction(tx_id, self._others.wait_ms)

        async def ask(node: Node) -> Proved[TransactionFact]:
            content = await node.get(question.path, question.query, ACCEPT)
            height = (await asyncio.to_thread(bundle_of, content)).headers[-1].header.height
            try:
                anchor = await self._above(height, is_patient=False)
            except Rejected as error:  # the own chain's nodes were asked; those of the other may be waited for
                raise Unavailable(error.code, error.detail) from error
            return await self._believe(content, await self._links(node, anchor, height), anchor, question)

        return await self._others.first_good(ask)

    async def header(self, height: int | None = None) -> Proved[HeaderFact]:
        """The header of a height that is anchored, or a few below one that is; or the newest that is."""
        anchor = await self._newest(0) if height is None else await self._above(height)
        at = anchor.fact.height if height is None else height
        return await self._others.first_good(lambda node: self._ask(node, anchor, about_header(at), at))

    async def _newest(self, min_height: int) -> Proved[AnchorFact]:
        anchor = await self.anchor()
        if anchor.fact.height <= min_height:
            raise Unavailable(NOT_ANCHORED, f"the newest anchor of {self._ac} is header {anchor.fact.height}; {min_height} is known")
        return anchor

    async def _above(self, height: int, *, is_patient: bool = True) -> Proved[AnchorFact]:
        """The anchor of this height, or the next one above from which links lead down to it.

        Who is not patient gets Rejected(NOT_ANCHORED) at once from a chain that is not there yet.
        """

        async def at_once(node: Node) -> Proved[AnchorFact]:
            try:
                return await self._asker.ask_node(node, about_anchor(self._ac, height))
            except Unavailable as error:
                raise (Rejected(error.code, error.detail) if error.code is NOT_ANCHORED else error) from error

        anchor = await (self.anchor(height) if is_patient else self._asker.nodes.first_good(at_once))
        if anchor.fact.height - height > BUNDLE_LINKS_MAX:
            next_one = f"the next one above is {anchor.fact.height}, more than {BUNDLE_LINKS_MAX} blocks on"
            raise Unavailable(NOT_ANCHORED, f"header {height} of {self._ac} is not anchored; {next_one}")
        return anchor

    async def _ask(self, node: Node, anchor: Proved[AnchorFact], question: Question[AnyFact], height: int) -> Proved[AnyFact]:
        """What a node of the other chain answers, in a bundle that hangs on header `height`."""
        content = await node.get(question.path, question.query, ACCEPT)
        return await self._believe(content, await self._links(node, anchor, height), anchor, question)

    async def _links(self, node: Node, anchor: Proved[AnchorFact], height: int) -> bytes | None:
        """A node's word of the headers that lead from the anchored one down to header `height`; None when that is the one."""
        if anchor.fact.height == height:
            return None
        return await node.get(f"/v1/headers/{anchor.fact.height}/links", {"to": str(height)})

    async def _believe(
        self, content: bytes, links: bytes | None, anchor: Proved[AnchorFact], question: Question[AnyFact]
    ) -> Proved[AnyFact]:
        asker, halves = self._asker, Halves(anchor.bundle, content, links)
        return await asyncio.to_thread(read_two_hops, halves, question, asker.genesis, asker.now_ns(), verify=asker.verify)
