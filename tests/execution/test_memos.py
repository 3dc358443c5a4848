"""What is kept from block to block never answers for another state or another time: random changes of who may do what, over months.

Each block is done with answers kept from those before and, asking everything anew, by the plain twin; both must come out the same.
"""

from dataclasses import dataclass
from hashlib import sha256

import pytest

from chainnode.did.record import INVOCATION, SIGNING, Document, Method, document_value, methods_value
from chainnode.types.limits import FREEZE_ANSWER_MS, FREEZE_MS_MAX
from chainnode.types.transaction import Invocation, Transaction
from contracts.identityrecords import NAME as IDENTITY
from contracts.identityrecords import decode_identity, identity_key
from contracts.supervisionrecords import COUNT_KEY, decode_count
from contracts.supervisionrecords import NAME as SUPERVISION
from tests.chain_maker import key_of
from tests.contracts.council import did
from tests.execution.twins import Twins, codes_of, recorded, row

SEEDS = range(6)
WHO = ("mia", "cus", "stranger", "sue", "sid", "ada")
STEPS_MS = (*(1_000,) * 20, 2_000, 30_000, FREEZE_ANSWER_MS - 1_000, FREEZE_ANSWER_MS, FREEZE_MS_MAX)


@dataclass
class Months(Twins):
    """Blocks with times far apart, in which nearly all that is asked for changes."""

    now_ms: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.now_ms = super().time_ms
        self.step_ms = 1_000
        self.speaking = {name: name for name in WHO}  # whose key speaks for whom, as far as we know

    @property
    def time_ms(self) -> int:
        return self.now_ms

    def block(self) -> list[str]:
        """A few batches, each of evidence alone or with changes among it; the codes."""
        dice = self.random
        batches: list[list[Transaction]] = []
        for _ in range(dice.randrange(1, 6)):
            mixed = dice.random() < 0.6
            batches.append([self.change() if mixed and dice.random() < 0.4 else self.evidence() for _ in range(dice.randrange(1, 6))])
        outcome = self.apply_batches(*batches)
        self.now_ms += self.step_ms
        self.step_ms = dice.choice(STEPS_MS)
        return codes_of(outcome)

    def evidence(self) -> Transaction:
        """A record of its own digest, by somebody, mostly under a key that speaks."""
        who = self.random.choice(WHO)
        key = self.speaking[who] if self.random.random() < 0.9 else self.random.choice((who, "new"))
        return self.signed((who,), recorded(row(self.random.randbytes(32))), key=key)

    def change(self) -> Transaction:
        """Something that bears on who may record."""
        dice, ends_ms = self.random, self.now_ms + self.random.choice((1, 1_000, self.step_ms, self.step_ms + 1, 10 * self.step_ms))
        whom = did(dice.choice(WHO))
        tail = dice.choice(((), (), (), (recorded(),)))  # with the second call all of it is undone
        kind = dice.randrange(12)
        if kind < 5 and tail:
            tail = (Invocation("roles", "revoke", (whom, "custodian", "because")),)  # asks for their roles, and mostly fails
        if kind < 3:
            role, until_ms = dice.choice(("member", "business")), dice.choice((0, ends_ms, ends_ms))
            return self.by("ada", Invocation("roles", "grant", (whom, role, until_ms, b"\x05" * 32)), *tail)
        if kind < 5:
            role = dice.choice(("member", "member", "business", "custodian"))
            return self.by("ada", Invocation("roles", "revoke", (whom, role, "because")), *tail)
        if kind == 5:
            until_ms = dice.choice((0, ends_ms))
            whom = did(dice.choice(("mia", "cus", "stranger")))
            return self.by(
                dice.choice(("sue", "sid")), Invocation("supervision", "propose", ("account", whom, "because", b"\x05" * 32, until_ms))
            )
        if kind in (6, 8, 9):
            method, number = dice.choice(("sign", "sign", "sign", "sign", "lift", "uphold")), self.order()
            arguments = (number,) if method == "sign" else (number, "because")
            return self.by(dice.choice(("sue", "sid")), Invocation("supervision", method, arguments), *tail)
        if kind == 7:
            return self.by(dice.choice(("mia", "cus")), Invocation("supervision", "appeal", (self.order(), "not so", b"")), *tail)
        return self.of_keys(dice.choice(("mia", "cus")), tail)

    def order(self) -> int:
        """The number of an order, the newest mostly."""
        count = decode_count(self.reader.values[SUPERVISION, COUNT_KEY])
        return max(1, count - self.random.choice((0, 0, 0, 1, 2)))

    def of_keys(self, who: str, tail: tuple[Invocation, ...]) -> Transaction:
        """A document, or another key in it."""
        new = self.random.choice((who, f"{who} two", f"{who} three"))
        keys = (Method("k", "e", key_of(new).public, SIGNING | INVOCATION),)
        value = self.reader.values.get((IDENTITY, identity_key(did(who))))
        if value is None:
            call = Invocation("identity", "create", (did(who), document_value(Document(keys))))
        else:
            known = decode_identity(value)
            call = Invocation("identity", "rotate", (did(who), known.sequence, sha256(value).digest(), methods_value(keys)))
        made = self.by(who, call, *tail)
        if not tail:
            self.speaking[who] = new
        return made

    def by(self, who: str, *calls: Invocation) -> Transaction:
        """Signed by the key that speaks."""
        return self.signed((who,), *calls, key=self.speaking[who])


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_that_are_kept_are_those_of_the_state_and_the_time(seed: int) -> None:
    months, seen = Months(seed), set[str]()
    for _ in range(80):
        seen |= set(months.block())
    wanted = {"ok", "not-member", "account-frozen", "key-not-authorised", "not-found"}
    assert seen >= wanted, f"seed {seed}: too little: {wanted - seen}"
