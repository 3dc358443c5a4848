"""Identities on the council's chain: documents and versions by the names of their people."""

import hashlib
from typing import Any

from chainnode.did import record
from chainnode.did.record import AUTHENTICATION, SIGNING, Control, Document, Facts, Identity, Method, Service, Superseded
from contracts.identityrecords import identity, identity_key, may_sign, old_version, recovery
from tests.chain_maker import key_of
from tests.contracts.council import Council, did

HOUR_MS = 3_600_000


def method_of(name: str, suite: str = "e", purposes: int = SIGNING) -> Method:
    """A key of somebody, under its own name."""
    return Method(name, suite, key_of(name, suite).public, purposes)


def control_of(
    controllers: str = "", threshold: int = 1, recovery: str = "", recovery_threshold: int = 1, delay_ms: int = HOUR_MS
) -> Control:
    """Control by people, named in one text."""
    return Control(tuple(map(did, controllers.split())), threshold, tuple(map(did, recovery.split())), recovery_threshold, delay_ms)


class Registry(Council):
    """The council's chain with the registry of DIDs in easy reach."""

    def create(self, name: str, keys: str = "", control: Control | None = None, facts: Facts | None = None, by: str = "mia") -> Any:
        """Register somebody with these keys, its own by default."""
        methods = tuple(method_of(one) for one in (keys or name).split())
        document = Document(methods, control or Control(), facts or Facts())
        return self.do([by, name], "identity.create", did(name), record.document_value(document))

    def found(self, name: str = "mia") -> Identity:
        """The current version."""
        one = identity(self.state, did(name))
        assert one is not None
        return one

    def current(self, name: str = "mia") -> tuple[str, int, bytes]:
        """What a change must name: DID, sequence, SHA-256."""
        value = self.value("identity", identity_key(did(name)))
        assert value is not None
        return did(name), self.found(name).sequence, hashlib.sha256(value).digest()

    def old(self, name: str, sequence: int) -> Superseded:
        """An earlier version."""
        one = old_version(self.state, did(name), sequence)
        assert one is not None
        return one

    def rotate(self, signers: str, name: str, *keys: str) -> Any:
        """Other keys for somebody."""
        return self.do(signers.split(), "identity.rotate", *self.current(name), methods(*keys))

    def set_control(self, signers: str, name: str, control: Control) -> Any:
        """Other control of somebody."""
        return self.do(signers.split(), "identity.set_control", *self.current(name), record.control_value(control))

    def recover(self, signers: str, name: str, *keys: str) -> Any:
        """Ask for other keys."""
        return self.do(signers.split(), "identity.recover", *self.current(name), methods(*keys))

    def is_recovering(self, name: str) -> bool:
        """Whether a recovery is pending."""
        return recovery(self.state, did(name)) is not None

    def speaking(self, name: str, *keys: str) -> list[str]:
        """Whose keys of these speak for somebody."""
        return [one for one in keys if may_sign(self.state, did(name), "e", key_of(one).public)]

    def refused_same_height(self, code: str, signers: str, method: str, *arguments: Any) -> None:
        """A refusal in the block of the last call."""
        self.height, self.time_ms = self.height - 1, self.time_ms - 1_000
        self.refused(code, signers, method, *arguments)


def methods(*keys: str) -> Any:
    """Keys of people as an argument."""
    return record.methods_value(tuple(method_of(one) for one in keys))


NO_SIGNING = record.methods_value((method_of("mia", purposes=AUTHENTICATION),))
SHOP = Facts(services=(Service("shop", "LinkedDomains", "https://shop.example"),))

# Every change that whoever decides can make, with arguments for one.
CHANGES: dict[str, tuple[Any, ...]] = {
    "update": (record.facts_value(SHOP),),
    "rotate": (methods("new"),),
    "set_control": (record.control_value(control_of("ada")),),
    "deactivate": (),
}
