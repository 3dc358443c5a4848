"""Ask nodes, verify their answers, and remember how far the chain has come."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.bundlebytes import BUNDLE_MEDIA
from chainnode.client.nodes import Node, Nodes
from chainnode.client.proved import KnownHeaders, Proved, check_fresh, read_bundle
from chainnode.client.questions import AnyFact, Question
from chainnode.types.genesis import Genesis
from chainnode.types.limits import CLIENT_CHAINS_KEPT

ACCEPT = f"{BUNDLE_MEDIA}, application/json;q=0.5"  # nodes that know no binary form answer with JSON


@dataclass(slots=True)
class Asker:
    """Whom to ask, what to believe, and what is known already. `height` is that of the highest header an answer hung on."""

    nodes: Nodes
    genesis: Genesis
    verify: bool
    age_ms_max: int
    now_ns: Callable[[], int]
    height: int = 0
    known: KnownHeaders = field(default_factory=KnownHeaders)
    others: dict[bytes, KnownHeaders] = field(default_factory=dict)

    def known_of(self, genesis_hash: bytes) -> KnownHeaders:
        """What was seen of another chain. Of CLIENT_CHAINS_KEPT chains the headers are remembered."""
        known = self.others.pop(genesis_hash, None) or KnownHeaders()
        self.others[genesis_hash] = known
        while len(self.others) > CLIENT_CHAINS_KEPT:
            del self.others[next(iter(self.others))]
        return known

    async def ask(self, question: Question[AnyFact], min_height: int = 0) -> Proved[AnyFact]:
        """The answer of the first node that proves one, about the state after `min_height` or later if it is about now."""
        return await self.nodes.first_good(lambda node: self.ask_node(node, question, min_height))

    async def ask_node(self, node: Node, question: Question[AnyFact], min_height: int = 0) -> Proved[AnyFact]:
        """The answer of one node. NotProved, Unavailable (stale answers too), Rejected; ChainForked."""
        min_height = max(min_height, self.height - 1)  # nothing that was seen is unseen again
        content = await node.get(question.path, self.query_of(node, question, min_height), ACCEPT)
        return await self.believe(content, question, min_height)

    def query_of(self, node: Node, question: Question[AnyFact], min_height: int) -> dict[str, str]:
        """What is asked of a node, which waits for the state after `min_height` if it can."""
        query = dict(question.query)
        if question.has_min_height and min_height > 0:
            query |= {"min_height": str(min_height), "wait_ms": str(node.wait_ms)}
        return query

    async def believe(self, content: bytes, question: Question[AnyFact], min_height: int) -> Proved[AnyFact]:
        """What a bundle answers, once it is verified, young enough, and of the chain that is known."""
        proved = await asyncio.to_thread(read_bundle, content, question, self.genesis, self.now_ns(), verify=self.verify)
        if self.verify:
            self.known.add(proved.bundle)
        if question.is_about_now:
            check_fresh(proved.header, self.now_ns(), age_ms_max=self.age_ms_max, min_height=min_height)
        self.height = max(self.height, proved.header.height)
        return proved
