"""A chain of a network on this machine, as `devnet` uses it: any of its nodes is asked, one that is down is passed over."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chainnode.cli.backbones import Chains
from chainnode.cli.desk import WAIT_MS, Desk, Done
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer, build_transaction
from chainnode.digests import genesis_hash
from chainnode.errors import Unavailable
from chainnode.node.homes import PASSPHRASE_FILE, load_genesis, load_key, read_passphrase_file
from chainnode.types.codes import NOT_READY
from chainnode.types.transaction import Invocation
from contracts import roles

Answer = TypeVar("Answer")


class Ledger:
    """The chain of a folder that `devnet` made. `ac` is its number on the main chain, None when it is the main chain."""

    def __init__(self, folder: Path, urls: Sequence[str], teller: Teller, *, ac: str | None = None) -> None:
        self.folder = folder
        self.ac = ac
        self.genesis = load_genesis(folder / "genesis.json")
        self.urls = tuple(urls)
        self.desks = [Desk(url) for url in urls]
        self.height = 0  # of the last block that was seen to have been applied
        self._teller = teller
        self._council: dict[int, Signer] = {}

    @property
    def name(self) -> str:
        """How people call it."""
        return self.ac or "the main chain"

    @property
    def passphrase(self) -> str:
        """What opens the keys of its folder."""
        return read_passphrase_file(self.folder / PASSPHRASE_FILE)

    def super_node(self, number: int = 1) -> Signer:
        """A super node with its key, which takes a moment to open."""
        if number not in self._council:
            self._council[number] = Signer(load_key(self.folder / f"super-{number}" / "keys" / "operator.json", self.passphrase))
        return self._council[number]

    def submit(self, calls: Sequence[Invocation], *signers: Signer) -> Done:
        """One transaction, and what became of it. The same bytes go to whoever is asked: they are applied once."""
        tx_id, raw = build_transaction(self.genesis.chain_id, genesis_hash(self.genesis), signers, calls)
        (done,) = self.ask(lambda desk: desk.submit_raw([raw]))
        assert done.tx_id == tx_id
        self.height = max(self.height, done.height)
        return done

    def apply(self, calls: Sequence[Invocation], *signers: Signer) -> Done:
        """One transaction that must be applied; raises what a rule says against it."""
        done = self.submit(calls, *signers)
        if done.refusal is not None:
            raise done.refusal
        return done

    def value(self, store: str, key: bytes) -> bytes | None:
        """What a store holds under a key, after all that was submitted or seen here."""
        found: Any = self.get(f"/v1/state/{store}/{key.hex()}?proof=none&{self.no_older}")
        self.height = max(self.height, found["height"])
        return None if found["value"] is None else bytes.fromhex(found["value"])

    @property
    def no_older(self) -> str:
        """The part of a query that asks for nothing older than what was seen here."""
        return f"min_height={self.height}&wait_ms={WAIT_MS}"

    def get(self, path: str) -> object:
        """What a node answers, as JSON."""
        return self.ask(lambda desk: desk.get(path))

    def bundle(self, path: str) -> str:
        """The text of a proof bundle."""
        return self.ask(lambda desk: desk.bundle(path))

    def ask(self, question: Callable[[Desk], Answer]) -> Answer:
        """What the next node in turn answers: any of them will do."""
        for _ in self.desks:
            self.desks.append(self.desks.pop(0))
            try:
                return question(self.desks[-1])
            except Unavailable as error:
                if len(self.desks) > 1:
                    self._teller.bad(f"{error}; asking another node")
                last = error
        if len(self.desks) > 1:
            raise Unavailable(NOT_READY, f"no node of {self.name} answers")
        raise last

    def admit(self, dids: Sequence[str]) -> bool:
        """Make those members who hold no role, by a super node; whether there were any."""
        missing = [did for did in dids if self.value(roles.NAME, roles.holder_key(did)) is None]
        if missing:
            self.apply([grant(did, roles.MEMBER) for did in missing], self.super_node())
        return bool(missing)


def ledgers_of(chains: Chains, teller: Teller) -> tuple[Ledger, list[Ledger]]:
    """The main chain of a devnet, and its backbone chains in their order."""
    others = [Ledger(one.folder, [one.member.url], teller, ac=one.ac) for one in chains.backbones]
    return Ledger(chains.folder, chains.main.urls, teller), others


def grant(did: str, role: str) -> Invocation:
    """The call that admits a party, on an application whose digest stands for it."""
    return Invocation(roles.NAME, "grant", (did, role, 0, hashlib.sha256(f"application of {did}".encode()).digest()))
