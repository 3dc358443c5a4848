"""Questions to other chains: whose answer counts, for how long, how often and how many are asked; and resolvers that lie."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from chainnode.api.backend import REFERRED_HEADER, Reach
from chainnode.bundlebytes import BUNDLE_MEDIA, bundle_from_content, encode_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.did.chainrecord import decode_chain, encode_chain
from chainnode.did.versions import NEWEST, Wanted
from chainnode.errors import Rejected, Unavailable
from chainnode.node import referrals as module
from chainnode.node.referrals import Referrals
from chainnode.types.bundle import StateClaim
from chainnode.types.codes import (
    CHAIN_NOT_PROVED,
    CHAIN_UNREACHABLE,
    FEATURE_MISSING,
    OVERLOADED,
    REFERRED_TWICE,
    WEB_DID_BAD,
    WEB_DID_UNREACHABLE,
)
from chainnode.types.limits import REFERRAL_BYTES_MAX
from contracts.chains import chain_key
from contracts.identityrecords import identity_key, version_key
from tests.api.did_world import (
    ANNA,
    CHAIN_BID,
    CITY_URL,
    ELSEWHERE,
    ELSEWHERE_ENDED,
    ELSEWHERE_NOBODY,
    FIRST_MS,
    GONE_BID,
    HOUR_MS,
    OF_GONE,
    UNKNOWN_CHAIN,
    Carrier,
    DidNode,
    make_city,
    make_did_world,
    record_of,
)
from tests.patience import DEADLINE_S

CITY = make_city()
RECORD = record_of(CITY)
SECOND_URL = "https://second.city.example/did"
NS = 1_000_000_000
MADE_NS = CITY.maker.blocks[2].header.time_ns  # of the header that proves what the city says


@dataclass
class Clock:
    """Stands still unless a test moves it."""

    now_ns: int = CITY.now_ns

    def __call__(self) -> int:
        return self.now_ns


@dataclass
class Answers:
    """Answers what a test says for each URL that begins so: bytes, an error, or what a function does."""

    pages: dict[str, object]
    asked: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_asked(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S), self.changed:
            await self.changed.wait_for(lambda: len(self.asked) >= count)

    async def fetch(self, url: str, *, bytes_max: int, headers) -> bytes:
        self.asked.append(url)
        async with self.changed:
            self.changed.notify_all()
        page = next(page for start, page in self.pages.items() if url.startswith(start))
        page = await page() if callable(page) else page
        if isinstance(page, Exception):
            raise page
        return page


def proof_of(key: bytes, world=CITY, store: str = "identity") -> bytes:
    return bundle_to_json(world.bundle(StateClaim(world.state_proof(store, key)))).encode()


def asking(page: object, record=RECORD, clock: Clock | None = None) -> tuple[Referrals, Answers]:
    """Every resolver answers this."""
    answers = Answers({"http": page})
    return Referrals(answers, clock or Clock()), answers


async def refused(work, code) -> str:
    with pytest.raises(Unavailable) as caught:
        await work
    assert caught.value.code is code
    return caught.value.detail


GOOD = proof_of(identity_key(ELSEWHERE))


# Good answers


async def test_a_resolver_is_asked_what_its_own_ledger_says():
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    asker = Referrals(carrier, Clock())
    found = await asker.ask(RECORD, ELSEWHERE, NEWEST)
    assert found.version is not None and found.version.identity.sequence == 3 and found.verified is not None
    ((url, headers),) = carrier.asked
    assert url == f"{CITY_URL}/v1/identities/{ELSEWHERE}"
    assert headers[REFERRED_HEADER] == "1" and headers["Accept"].startswith(BUNDLE_MEDIA)


@pytest.mark.parametrize(
    "wanted, query",
    [(Wanted(sequence=2), "?version_id=2"), (Wanted(time_s=(FIRST_MS + HOUR_MS) // 1000), "?version_time=2026-09-21T15%3A13%3A20Z")],
)
async def test_an_old_version_is_asked_for(wanted, query):
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    found = await Referrals(carrier, Clock()).ask(RECORD, ELSEWHERE, wanted)
    assert found.fact.key == version_key(ELSEWHERE, 2) and found.version.identity.sequence == 2
    assert carrier.asked[0][0].endswith(ELSEWHERE + query)


async def test_an_absence_is_an_answer_and_so_is_the_binary_form():
    asker, _ = asking(proof_of(identity_key(ELSEWHERE_NOBODY)))
    found = await asker.ask(RECORD, ELSEWHERE_NOBODY, NEWEST)
    assert (found.version, found.fact.value) == (None, None)
    asker, _ = asking(encode_bundle(bundle_from_content(GOOD)))
    assert (await asker.ask(RECORD, ELSEWHERE, NEWEST)).version is not None


# Resolvers that lie, hang, or are not there


OTHER = make_city(powers={"liar": 1})  # the same chain id, its own validators
STRANGER = make_city(chain_id="city-2")
OLD_KEY = version_key(ELSEWHERE, 2)


@pytest.mark.parametrize(
    "page",
    [
        proof_of(identity_key(ELSEWHERE), OTHER),
        proof_of(identity_key(ELSEWHERE), STRANGER),
        proof_of(identity_key(ELSEWHERE_NOBODY), make_did_world()),
        proof_of(identity_key(ELSEWHERE_ENDED)),
        proof_of(identity_key(ELSEWHERE_NOBODY)),
        proof_of(OLD_KEY),
        proof_of(version_key(ELSEWHERE, 9)),
        proof_of(chain_key("byo1"), store="chains"),
        bundle_to_json(CITY.evidence()).encode(),
        bundle_to_json(CITY.header()).encode(),
        GOOD.replace(b'"signature":"', b'"signature":"00', 1),
        GOOD[:-1],
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"didDocument":{"id":"' + ELSEWHERE.encode() + b'"}}',
        b"[" * 100_000,
    ],
    ids=lambda page: str(len(page)),
)
async def test_inv_48_what_does_not_prove_an_answer_is_none(page):
    asker, answers = asking(page)
    detail = await refused(asker.ask(RECORD, ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)
    assert detail.startswith(f"{CHAIN_BID} does not resolve {ELSEWHERE}: {CITY_URL}: ") and len(answers.asked) == 1
    await refused(asker.ask(RECORD, ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)
    assert len(answers.asked) == 2, "a bad answer is not remembered"


async def test_the_beginning_on_record_decides_whose_proofs_count():
    for changes in (
        {"validators": record_of(OTHER).validators},
        {"genesis_hash": b"\x01" * 32},
        {"chain_id": "city-9"},
        {"genesis_time_ns": CITY.now_ns},
    ):
        asker, _ = asking(GOOD)
        await refused(asker.ask(replace(RECORD, **changes), ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)


async def test_trust_in_a_beginning_expires():
    clock = Clock(RECORD.genesis_time_ns + 86_400 * NS)
    asker, _ = asking(GOOD, clock=clock)
    record = replace(RECORD, ttl_s=7 * 86_400, trusting_period_ms=86_400_000)
    assert "expired" in await refused(asker.ask(record, ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)


async def test_the_next_resolver_is_asked_when_one_does_not_prove_its_answer():
    record = replace(RECORD, endpoints=(CITY_URL, SECOND_URL))
    for page in (b"nonsense", Unavailable(WEB_DID_UNREACHABLE, "gone"), Rejected(WEB_DID_BAD, "longer than that")):
        answers = Answers({CITY_URL: page, SECOND_URL: GOOD})
        assert (await Referrals(answers, Clock()).ask(record, ELSEWHERE, NEWEST)).version is not None
        assert answers.asked == [f"{CITY_URL}/v1/identities/{ELSEWHERE}", f"{SECOND_URL}/v1/identities/{ELSEWHERE}"]


async def test_what_failed_is_told_of_each():
    record = replace(RECORD, endpoints=(CITY_URL, SECOND_URL))
    answers = Answers({CITY_URL: Unavailable(WEB_DID_UNREACHABLE, "redirects are not followed"), SECOND_URL: Rejected(WEB_DID_BAD, "long")})
    detail = await refused(Referrals(answers, Clock()).ask(record, ELSEWHERE, NEWEST), CHAIN_UNREACHABLE)
    assert detail.endswith(f"{CITY_URL}: redirects are not followed; {SECOND_URL}: long")
    answers.pages[CITY_URL] = Unavailable(WEB_DID_UNREACHABLE, "x" * 9_000)
    assert len(await refused(Referrals(answers, Clock()).ask(record, ELSEWHERE, NEWEST), CHAIN_UNREACHABLE)) == 1_000


async def test_inv_49_a_resolver_that_hangs_is_left_in_time(monkeypatch):
    monkeypatch.setattr(module, "REFERRAL_MS_MAX", 50)
    asker, _ = asking(asyncio.Event().wait)
    async with asyncio.timeout(DEADLINE_S):
        assert "within 50 ms" in await refused(asker.ask(RECORD, ELSEWHERE, NEWEST), CHAIN_UNREACHABLE)


async def test_inv_49_an_answer_may_have_so_many_bytes():
    seen = []

    class Noting(Answers):
        async def fetch(self, url, *, bytes_max, headers):
            seen.append(bytes_max)
            return await super().fetch(url, bytes_max=bytes_max, headers=headers)

    await Referrals(Noting({"http": GOOD}), Clock()).ask(RECORD, ELSEWHERE, NEWEST)
    assert seen == [REFERRAL_BYTES_MAX]


# How long an answer counts


async def test_an_answer_is_remembered_until_it_has_aged_and_no_longer():
    clock = Clock()
    asker, answers = asking(GOOD, clock=clock)
    record = replace(RECORD, ttl_s=60)
    first = await asker.ask(record, ELSEWHERE, NEWEST)
    clock.now_ns = MADE_NS + 60 * NS - 1
    assert await asker.ask(record, ELSEWHERE, NEWEST) is first and len(answers.asked) == 1
    clock.now_ns += 1
    assert "older than 60 s" in await refused(asker.ask(record, ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)
    assert len(answers.asked) == 2
    clock.now_ns -= 1
    assert await asker.ask(record, ELSEWHERE, NEWEST) is not first, "it was forgotten"


async def test_an_absence_is_remembered_for_a_moment_only():
    clock = Clock()
    asker, answers = asking(proof_of(identity_key(ELSEWHERE_NOBODY)), clock=clock)
    for later_ns, asked in ((30 * NS - 1, 1), (1, 2)):
        await asker.ask(RECORD, ELSEWHERE_NOBODY, NEWEST)
        clock.now_ns += later_ns
        await asker.ask(RECORD, ELSEWHERE_NOBODY, NEWEST)
        assert len(answers.asked) == asked
    clock.now_ns = MADE_NS + 5 * NS
    short = replace(RECORD, ttl_s=6)
    await asker.ask(short, ELSEWHERE_NOBODY, Wanted(sequence=1))
    clock.now_ns += NS
    await refused(asker.ask(short, ELSEWHERE_NOBODY, Wanted(sequence=1)), CHAIN_NOT_PROVED)


async def test_inv_48_an_old_answer_is_none_however_true():
    clock = Clock(MADE_NS + RECORD.ttl_s * NS)
    asker, _ = asking(GOOD, clock=clock)
    await refused(asker.ask(RECORD, ELSEWHERE, NEWEST), CHAIN_NOT_PROVED)


async def test_a_fresh_answer_is_asked_for_and_replaces_the_one_that_was_kept():
    asker, answers = asking(GOOD)
    first = await asker.ask(RECORD, ELSEWHERE, NEWEST)
    second = await asker.ask(RECORD, ELSEWHERE, NEWEST, is_fresh=True)
    assert second is not first and len(answers.asked) == 2
    assert await asker.ask(RECORD, ELSEWHERE, NEWEST) is second and len(answers.asked) == 2


async def test_a_changed_record_another_version_and_another_did_are_other_questions():
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    asker = Referrals(carrier, Clock())
    for record, did, wanted in (
        (RECORD, ELSEWHERE, NEWEST),
        (replace(RECORD, sequence=2), ELSEWHERE, NEWEST),
        (RECORD, ELSEWHERE, Wanted(sequence=3)),
        (RECORD, ELSEWHERE_NOBODY, NEWEST),
    ):
        for _ in range(2):
            await asker.ask(record, did, wanted)
    assert len(carrier.asked) == 4


# How many


async def test_inv_49_so_many_answers_are_kept(monkeypatch):
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    asker = Referrals(carrier, Clock())
    monkeypatch.setattr(module, "REFERRALS_KEPT_MAX", 2)
    one, two, three = Wanted(sequence=1), Wanted(sequence=2), Wanted(sequence=3)
    for wanted in (one, two, one, three):  # the second was asked for longest ago
        await asker.ask(RECORD, ELSEWHERE, wanted)
    assert len(carrier.asked) == 3
    for wanted in (one, three):
        await asker.ask(RECORD, ELSEWHERE, wanted)
    assert len(carrier.asked) == 3
    await asker.ask(RECORD, ELSEWHERE, two)
    assert len(carrier.asked) == 4


async def test_inv_49_so_many_bytes_are_kept(monkeypatch):
    asker, answers = asking(GOOD + b" " * 10_000)
    monkeypatch.setattr(module, "REFERRALS_KEPT_BYTES_MAX", 2 * len(GOOD) + 10_000)
    for number in range(1, 4):
        await asker.ask(replace(RECORD, sequence=number), ELSEWHERE, NEWEST)
        await asker.ask(replace(RECORD, sequence=number), ELSEWHERE, NEWEST)
    assert len(answers.asked) == 3
    await asker.ask(replace(RECORD, sequence=2), ELSEWHERE, NEWEST)
    assert len(answers.asked) == 4


async def test_equal_questions_at_one_time_are_asked_once():
    go_on = asyncio.Event()

    async def late():
        await go_on.wait()
        return GOOD

    asker, answers = asking(late)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(asker.ask(RECORD, ELSEWHERE, NEWEST, is_fresh=bool(number % 2))) for number in range(5)]
        await answers.wait_asked(1)
        go_on.set()
    assert len(answers.asked) == 1 and all(task.result() is tasks[0].result() for task in tasks)


async def test_who_waits_for_the_same_answer_hears_why_there_is_none():
    go_on = asyncio.Event()

    async def failing():
        await go_on.wait()
        return Unavailable(WEB_DID_UNREACHABLE, "gone")

    asker, answers = asking(failing)
    leader, follower = (asyncio.create_task(asker.ask(RECORD, ELSEWHERE, NEWEST)) for _ in range(2))
    await answers.wait_asked(1)
    go_on.set()
    async with asyncio.timeout(DEADLINE_S):
        for task in (leader, follower):
            assert "gone" in await refused(task, CHAIN_UNREACHABLE)
    assert len(answers.asked) == 1


async def test_who_waits_is_not_left_waiting_when_the_first_gives_up():
    asker, answers = asking(asyncio.Event().wait)
    leader, follower = (asyncio.create_task(asker.ask(RECORD, ELSEWHERE, NEWEST)) for _ in range(2))
    await answers.wait_asked(1)
    await asyncio.sleep(0)
    leader.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await refused(follower, CHAIN_UNREACHABLE)
        with pytest.raises(asyncio.CancelledError):
            await leader


async def test_inv_49_so_many_questions_are_open_and_so_many_of_one_chain_under_way(monkeypatch):
    monkeypatch.setattr(module, "REFERRALS_OPEN_MAX", 3)
    monkeypatch.setattr(module, "REFERRALS_CHAIN_MAX", 2)
    go_on = asyncio.Event()

    async def late():
        await go_on.wait()
        return GOOD

    asker, answers = asking(late)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(1, 4):
            group.create_task(asker.ask(replace(RECORD, sequence=number), ELSEWHERE, NEWEST))
        await answers.wait_asked(2)
        await refused(asker.ask(replace(RECORD, sequence=4), ELSEWHERE, NEWEST), OVERLOADED)
        assert len(answers.asked) == 2, "the third waits for a place"
        go_on.set()
    assert len(answers.asked) == 3


# Behind a resolver of the main chain


def main_node(**settings) -> tuple[DidNode, Carrier]:
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    return DidNode(referrals=Referrals(carrier, Clock()), **settings), carrier


@pytest.mark.parametrize(
    ("status", "left_ms", "because"),
    [("suspended", 1, "was suspended at height 1: because"), ("frozen", 1, "was frozen"), ("active", 0, "has expired at 2026-11-18")],
)
async def test_inv_68_dids_of_a_closed_chain_are_not_resolved(status, left_ms, because):
    """A chain is open until the very millisecond of the header that fixes the state."""
    world = make_did_world()
    end_ms = world.maker.blocks[2].header.time_ns // 1_000_000 + left_ms
    carrier = Carrier({CITY_URL: DidNode(CITY)})
    for asked_status, asked_end, is_open in ((status, end_ms, False), ("active", end_ms + 1 - left_ms, True)):
        record = record_of(CITY, status=asked_status, expires_ms=asked_end)
        node = DidNode(world=make_did_world(chains=(record,)), referrals=Referrals(carrier, Clock()))
        resolved = await node.resolve(ELSEWHERE, NEWEST, has_proof=True)
        assert (resolved.document is not None, bool(carrier.asked)) == (is_open, is_open)
        assert is_open or (because in resolved.detail and len(resolved.bundles) == 1)


async def test_a_did_of_another_chain_has_both_proofs():
    node, carrier = main_node()
    resolved = await node.resolve(ELSEWHERE, NEWEST, has_proof=True)
    record, identity = resolved.bundles
    assert (record.chain_id, identity.chain_id, resolved.chain_id) == ("test-1", "city-1", "city-1")
    assert decode_chain(record.claim.proof.proof.value) == RECORD and resolved.identity.did == ELSEWHERE
    assert (resolved.height, resolved.time_ns, resolved.metadata["versionId"]) == (2, MADE_NS, "3")
    bare = await node.resolve(ELSEWHERE, NEWEST, has_proof=False)
    assert bare == replace(resolved, bundles=()) and len(carrier.asked) == 1
    await node.resolve(ELSEWHERE, NEWEST, has_proof=False, reach=Reach.OTHERS_NOW)
    assert len(carrier.asked) == 2


async def test_what_another_chain_does_not_have():
    node, _ = main_node()
    for did, wanted, told in (
        (ELSEWHERE_NOBODY, NEWEST, "is not registered as of height 2, "),
        (ELSEWHERE, Wanted(sequence=4), "has no version 4: the newest is 3 as of height 2, "),
    ):
        resolved = await node.resolve(did, wanted, has_proof=True)
        assert resolved.document is None and told in resolved.detail and len(resolved.bundles) == 2
    assert (await node.resolve(ELSEWHERE_ENDED, NEWEST, has_proof=False)).is_deactivated


async def test_the_own_ledger_answers_where_no_other_chain_has_the_say():
    node, carrier = main_node()
    for did in (UNKNOWN_CHAIN, OF_GONE):
        resolved = await node.resolve(did, NEWEST, has_proof=True)
        assert resolved.document is None and not resolved.chain_id and carrier.asked == []
        assert resolved.bundles[0].claim.proof.key == chain_key(did.split(":")[2])
    assert "was revoked at height 1" in resolved.detail and len(resolved.bundles) == 1
    resolved = await node.resolve(UNKNOWN_CHAIN, NEWEST, has_proof=True)
    assert resolved.bundles[1].claim.proof.key == identity_key(UNKNOWN_CHAIN)
    assert len((await node.resolve(ANNA, NEWEST, has_proof=True)).bundles) == 1


async def test_a_chain_that_has_its_own_number_on_record_answers_for_itself():
    world = make_city()
    world.stores["chains"][chain_key("byo1")] = encode_chain(RECORD)
    resolver = DidNode(world, referrals=Referrals(Answers({}), Clock()))
    resolved = await resolver.resolve(ELSEWHERE, NEWEST, has_proof=False)
    assert resolved.identity is not None and resolved.chain_id == ""


async def test_a_chain_has_a_document_and_no_history():
    node, carrier = main_node()
    resolved = await node.resolve(CHAIN_BID, NEWEST, has_proof=True)
    assert resolved.document["service"][0]["serviceEndpoint"] == CITY_URL and resolved.metadata["versionId"] == "1"
    assert len(resolved.bundles) == 1 and carrier.asked == []
    assert (await node.resolve(GONE_BID, NEWEST, has_proof=False)).is_deactivated
    assert "not registered" in (await node.resolve("did:bid:zzzz", NEWEST, has_proof=False)).detail
    assert (await node.resolve(CHAIN_BID, Wanted(sequence=1), has_proof=False)).document is not None
    assert (await node.resolve(CHAIN_BID, Wanted(sequence=2), has_proof=False)).document is None
    later = make_did_world(chains=(replace(RECORD, sequence=3, time_ms=FIRST_MS + HOUR_MS),))
    for wanted in (Wanted(sequence=2), Wanted(time_s=FIRST_MS // 1000)):
        with pytest.raises(Rejected) as caught:
            await DidNode(later).resolve(CHAIN_BID, wanted, has_proof=False)
        assert caught.value.code is FEATURE_MISSING


async def test_a_question_goes_one_step_and_no_further():
    """The city has the main chain's number on record, the main chain the city's, and each names the other's node."""
    main, carrier = main_node()
    city_world = make_city()
    city_world.stores["chains"][chain_key("byo1")] = encode_chain(record_of(make_did_world(chain_id="third-1"), endpoints=(CITY_URL,)))
    carrier.nodes[CITY_URL] = DidNode(city_world, referrals=Referrals(carrier, Clock()))
    with pytest.raises(Unavailable):
        await main.resolve(ELSEWHERE, NEWEST, has_proof=True)  # another state than the header fixes
    assert len(carrier.asked) == 1
    with pytest.raises(Rejected) as caught:
        await main.resolve(ELSEWHERE, NEWEST, has_proof=True, reach=Reach.NO_FURTHER)
    assert caught.value.code is REFERRED_TWICE and len(carrier.asked) == 1
    own = await main.resolve(ELSEWHERE, NEWEST, has_proof=True, reach=Reach.OWN)
    assert own.document is None and len(own.bundles) == 1 and len(carrier.asked) == 1


async def test_a_node_that_asks_no_other_chains_says_so():
    with pytest.raises(Rejected) as caught:
        await DidNode().resolve(ELSEWHERE, NEWEST, has_proof=True)
    assert caught.value.code is FEATURE_MISSING
