"""A chain in this process with an issuer whom its super node admitted, behind the real HTTP interface that issues, verifies and lets in."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from chainnode.api.backend import ProvedValue
from chainnode.bid import did_of
from chainnode.cli.main import main
from chainnode.did.record import ASSERTION, AUTHENTICATION, INVOCATION, Document, Method, document_value
from chainnode.did.versions import NEWEST
from chainnode.node.credentials import CredentialDesk, Issuing
from chainnode.node.logins import LoginDesk
from chainnode.types.proof import ExistenceProof
from chainnode.types.transaction import Invocation
from chainnode.vc.listplace import ListPlace, url_of_list
from tests.chain_maker import key_of, make_transaction
from tests.cli.registry_node import Desk, RegistryNode
from tests.node.small_chain import CLIENT, batch

HOME = "https://node.example"
TOKEN = "a token of the operator"
DOMAIN = "shop.example"
EVIDENCE = sha256(b"the council's letter").digest()
ISSUER, HOLDER = key_of("uni"), key_of("anna")
ISSUER_DID, HOLDER_DID = did_of("e", ISSUER.public), did_of("e", HOLDER.public)


class Pages:
    """Web servers with these pages; a page that is an error is raised."""

    def __init__(self, pages: Mapping[str, bytes | Exception]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        return page


@dataclass
class CredentialNode(RegistryNode):
    """Its operator has the issuer's key, unless `issuing` says otherwise. `uni` is admitted, with lists 1 and 2; `anna` is a member."""

    issuing: Issuing = field(default_factory=lambda: Issuing(HOME, ISSUER, ISSUER_DID, TOKEN))
    domains: tuple[str, ...] = (DOMAIN,)
    fetcher: Any = None
    nonce: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.open_desks()
        for name in ("uni", "anna"):
            key = key_of(name)
            method = Method("key-1", "e", key.public, ASSERTION | AUTHENTICATION | INVOCATION)
            self.write([CLIENT, key], "identity", "create", did_of("e", key.public), document_value(Document((method,))))
        self.write([CLIENT], "governance", "propose", "admit_issuer", (ISSUER_DID, "Uni", EVIDENCE), "because")
        self.write([CLIENT], "roles", "grant", HOLDER_DID, "member", 0, EVIDENCE)
        for list_id, purpose in (("1", "revocation"), ("2", "suspension")):
            self.write([CLIENT, ISSUER], "credentials", "create_list", ISSUER_DID, list_id, purpose, 1)
        self.write([CLIENT, ISSUER], "credentials", "register_schema", ISSUER_DID, "degree", sha256(b"one").digest())
        self.write([CLIENT, ISSUER], "credentials", "register_schema", ISSUER_DID, "degree", sha256(b"two").digest())

    def open_desks(self) -> None:
        chain = self.small.chain
        self.credentials = CredentialDesk(chain, self.prover, self.document_of, self.at_height, self.fetcher, self.issuing)
        self.logins = LoginDesk(self.domains, chain.genesis.chain_id, self.document_of)

    async def document_of(self, did: str) -> Mapping[str, object] | None:
        return (await self.resolve(did, NEWEST, has_proof=False)).document

    async def at_height(self, height: int | None, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    async def wait_height(self, height: int) -> None:
        """Nothing is decided by itself."""
        if self.last_height() < height:
            await asyncio.Event().wait()

    async def prove_state(self, store: str, key: bytes, height: int | None) -> ProvedValue:
        at = self.prover.provable_height(height)
        proof = self.prover.state_proof(store, key, at)
        return ProvedValue(proof.proof.value if isinstance(proof.proof, ExistenceProof) else None, proof, at)

    def write(self, keys: Sequence[Any], contract: str, method: str, *arguments: object) -> int:
        """One call in a block, and a second block that proves it; the height of the first."""
        self.nonce += 1
        raw = make_transaction(
            self.small.genesis,
            list(keys),
            [Invocation(contract, method, arguments)],
            nonce=50_000 + self.nonce,
            valid_until_ms=self.now_ns // 1_000_000 + 300_000,
        )
        applied = self.small.decide(batch(raw))
        assert [one.code for one in applied.results] == [0], applied.results
        height = self.last_height()
        self.small.decide()
        return height

    def set_status(self, list_id: str, index: int, value: int = 1) -> int:
        return self.write([CLIENT, ISSUER], "credentials", "set_status", ISSUER_DID, list_id, ((index, value),))

    def list_url(self, list_id: str = "1", home: str = HOME) -> str:
        return url_of_list(home, ListPlace(ISSUER_DID, list_id, self.small.genesis.chain_id))


def tell_time(node: CredentialNode, monkeypatch: Any) -> None:
    """The node's clock is the chain's."""
    for module in ("credentials", "logins"):
        monkeypatch.setattr(f"chainnode.node.{module}.time", SimpleNamespace(time_ns=lambda: node.now_ns))


@dataclass
class VcDesk(Desk):
    """Runs `chainnode vc` against a node."""

    async def run(self, *arguments: object, genesis: bool = True, code: int = 0, node: bool = True) -> str:
        """Standard output of `chainnode vc …`."""
        given = ["vc", *map(self._argument, arguments)]
        given += ["--node", self.url] if node else []
        given += ["--genesis", str(self.folder / "genesis.json")] if genesis else []
        got = await asyncio.to_thread(main, given)
        self.out, self.err = self.read()
        assert got == code, (given, self.out, self.err)
        return self.out

    async def denied(self, code: str, *arguments: object, **options: Any) -> str:
        """The line in which a command says why not."""
        await self.run(*arguments, **{"code": 2 if code == "bad-use" else 1, **options})
        line = self.err.splitlines()[-1]
        assert line.startswith(f"chainnode: {code}: "), self.err
        return line.removeprefix(f"chainnode: {code}: ")

    def file(self, name: str, content: Any) -> str:
        """A file of the test, as an argument."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / name).write_text(text, encoding="utf-8")
        return f"./{name}"

    def read_file(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))
