"""Values of the state in the words of their contracts; what cannot be read is left alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.bundle import beginning_of
from chainnode.cli.statewords import key_of, words_of
from chainnode.cli.usage import UsageError
from chainnode.did.chainapplication import Appeal, Application, encode_appeal, encode_application
from chainnode.did.chainfeeds import Report, encode_report
from chainnode.did.chainrecord import Permit, encode_chain
from chainnode.did.record import (
    AUTHENTICATION,
    SIGNING,
    Control,
    Document,
    Facts,
    Identity,
    Method,
    Recovery,
    Service,
    Superseded,
    encode_identity,
    encode_recovery,
    encode_superseded,
)
from chainnode.types.block import KeyType, PublicKey
from chainnode.types.bundle import StateFact
from chainnode.vc.listrecord import StatusList, encode_list, list_key
from contracts import credentials, evidence, goods, governance, roles, validators
from contracts.chainapplications import application_key
from contracts.chainchanges import appeal_key
from contracts.chainreports import report_key
from contracts.chains import chain_key
from contracts.identityrecords import identity_key, recovery_key, version_key
from contracts.packagecodes import unit_key
from contracts.receiptrecords import Away, Hold, HoldKind, Order, Origin, Pledge, Status, encode_receipt, receipt_key
from tests.api.did_world import make_city, record_of
from tests.cli.records import BANK, RECEIPT, TRADER, UNIT, WAREHOUSE
from tests.contracts.admission import CITY, form_of, status_of
from tests.contracts.council import did

ORIGIN = Origin("20-anchored-1", "city-1", "r-0", 5, (("town-1", "r 00"),))
AWAY = Away("07-tendermint-0", "town-1", 9, "moved:20-anchored-1:9", BANK, False, 8)
PLEDGE = Pledge(BANK, 500_000, "CNY", 1_800_000_000_000, "a loan", 1, 0, 9, 2)


def told(store: str, key: bytes, value: bytes) -> str:
    return "\n".join(words_of(StateFact(state_height=9, store=store, key=key, value=value)))


def of_receipt(**changes: object) -> str:
    return told("receipts", receipt_key("r-1"), encode_receipt(RECEIPT._replace(**changes)))


def test_a_receipt_says_what_it_is_over_and_who_has_it() -> None:
    text = of_receipt()
    assert 'Receipt r-1 is active, over 2 packages, 5 GRM of "copper".' in text
    assert f"Holder {TRADER}; custodian {WAREHOUSE}; depositor {TRADER}; stored at site-1." in text
    assert "It is not pledged." in text and "offered" not in text and "Frozen" not in text
    assert "Issued in block 8, operation 3 in block 9." in text
    assert all(digest in text for digest in ("21" * 32, "22" * 32, "23" * 32))


def test_a_pledge_is_told_with_its_rank_place_and_terms() -> None:
    text = of_receipt(pledges=(PLEDGE,))
    assert f"Pledged to {BANK} (rank 1) since block 9, transaction 2 in it, for 500,000 of the smallest unit of CNY" in text
    assert 'due 2027-01-15T08:00:00Z: "a loan"' in text and "not pledged" not in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pledges": (PLEDGE._replace(height=0, until_ms=1_700_000_000_000),)}, "is proposed until 2023-11-14T22:13:20Z"),
        ({"pledges": (PLEDGE._replace(due_ms=2**62),)}, f"due {2**62} ms after 1970"),
        ({"holds": (Hold(HoldKind.COURT, BANK, "a claim", 5),)}, f'Frozen (court) by {BANK} since block 5, because of "a claim".'),
        ({"offered_to": BANK}, f"A transfer to {BANK} is offered."),
        ({"order": Order(BANK, 1, b"\1" * 32, 6)}, f"An order to deliver 1 package to {BANK} is open since block 6."),
        ({"parents": ("r-0",)}, "It was made from r-0."),
        ({"children": ("r-2", "r 3"), "status": Status.SPLIT}, 'It went on as r-2, "r 3".'),
        ({"depositor": None}, "depositor several"),
        ({"origin": ORIGIN}, 'elsewhere, under "r 00" on town-1 and then r-0 on city-1.'),
        ({"away": AWAY, "status": Status.MOVED}, f"in block 8, as moved:20-anchored-1:9 for {BANK}; no answer is known here."),
        ({"away": replace(AWAY, has_arrived=True)}, "it arrived."),
        ({"custodian_cosigns": True}, "who signs each transfer too"),
        ({"commodity": 'a\x1b[2J"\u202e'}, '"a\\x1b[2J\\"\\u202e"'),
    ],
)
def test_all_that_weighs_on_a_receipt_is_told(changes: dict[str, object], sentence: str) -> None:
    assert sentence in of_receipt(**changes)


@pytest.mark.parametrize(
    ("status", "receipt_id", "sentence"),
    [
        (goods.UnitStatus.STORED, None, "Package A-1 is stored, under no receipt: 5 GRM"),
        (goods.UnitStatus.COVERED, "r-1", "Package A-1 is covered by receipt r-1: 5 GRM"),
        (goods.UnitStatus.DELIVERED, "r-1", "Package A-1 was delivered under receipt r-1: 5 GRM"),
        (goods.UnitStatus.DECOMMISSIONED, None, "Package A-1 was decommissioned: 5 GRM"),
    ],
)
def test_a_package_is_told(status: goods.UnitStatus, receipt_id: str | None, sentence: str) -> None:
    value = goods.encode_unit(replace(UNIT, status=status, receipt_id=receipt_id))
    text = told("goods", unit_key("A-1"), value)
    assert sentence in text and "intake-1 in block 7 at site-1" in text and "11" * 32 in text


def test_other_records_are_told() -> None:
    grants = (roles.Grant("custodian", 0, b"\1" * 32, BANK, 4), roles.Grant("member", 1_700_000_000_000, b"", "genesis", 0))
    text = told("roles", roles.holder_key(TRADER), roles.encode_grants(TRADER, grants))
    assert f"{TRADER} is custodian without end, by {BANK} in block 4, on evidence {'01' * 32}." in text
    assert f"{TRADER} is member until 2023-11-14T22:13:20Z, by genesis in block 0." in text
    one = validators.Registered(BANK, "super 1", PublicKey(KeyType.ED25519, b"\2" * 32), 10, b"\3" * 32, "host:1")
    for power, words in ((10, "votes with power 10"), (0, "does not vote")):
        text = told("validators", validators.validator_key(b"\4" * 20), validators.encode_validator(replace(one, power=power)))
        assert f'Validator "super 1" of {BANK} {words}; peers connect to host:1.' in text and f"ed25519 key is {'02' * 32}" in text
    proposal = governance.Proposal(3, "grant_role", (TRADER, "service"), "why", BANK, 5, 0, "open", ((BANK, True), (TRADER, False)))
    text = told("governance", governance.proposal_key(3), governance.encode_proposal(proposal))
    assert f'Proposal 3 is open: grant_role("{TRADER}", "service").' in text and "Votes: 1 yes, 1 no." in text
    text = told("evidence", evidence.HEAD_KEY, b"\x92\x01\xc4\x20" + b"\7" * 32)
    assert f"The evidence log has 1 record and root {'07' * 32}." in text


def test_identities_are_told() -> None:
    listed = (Method("k1", "e", b"\6" * 32, SIGNING), Method("k2", "z", b"\4" * 65, AUTHENTICATION), Method("k3", "x", b"\7" * 32, 4))
    control = Control((BANK,), 1, (BANK, TRADER), 2)
    document = Document(listed, control, Facts((Service("shop", "LinkedDomains", "https://shop.example"),)))
    version = Identity(TRADER, 2, b"\5" * 32, 8, 9, 7, True, document)
    text = told("identity", identity_key(TRADER), encode_identity(version))
    assert f"Identifier {TRADER} is active: version 2, of block 8." in text
    assert f"assertionMethod, capabilityInvocation, capabilityDelegation: Ed25519 {'06' * 32}. It signs transactions." in text
    assert f"Key #k2 for authentication: SM2 {'04' * 65}.\n" in text and "Key #k3 for keyAgreement: X25519" in text
    assert f"controlled by 1 of {BANK}." in text and f"recovered by 2 of {BANK}, {TRADER}." in text
    assert "Service #shop: LinkedDomains at https://shop.example." in text
    assert "was deactivated" in told("identity", identity_key(TRADER), encode_identity(replace(version, is_active=False)))
    text = told("identity", version_key(TRADER, 2), encode_superseded(Superseded(version, 11, 12)))
    assert f"Identifier {TRADER}: version 2, of block 8, which block 11 replaced." in text and "Key #k1" in text
    asked = Recovery(TRADER, 2, listed[:1], (BANK,), 12, 1_700_000_000_000)
    text = told("identity", recovery_key(TRADER), encode_recovery(asked))
    assert f"{BANK} asked in block 12 for new keys of {TRADER}, which can be in force from 2023-11-14T22:13:20Z on." in text
    assert "Key #k1" in text


def test_chains_are_told() -> None:
    one = record_of(make_city())
    text = told("chains", chain_key("byo1"), encode_chain(one))
    told_of = 'Chain city-1, "City", is active as did:bid:byo1: version 1, of block 1, by governance:1, for the reason "because".'
    assert told_of in text and "Admitted without end, on application 1; industry I." in text
    assert f"Operator {one.operator}; gateways {one.operator}." in text and "appealed" not in text and "says" not in text
    assert "Resolvers https://resolver.city.example, whose answers count for 3,600 s." in text
    assert "Light client 07-tendermint-0 follows it here." in text
    assert f"genesis {one.genesis_hash.hex()} at 2026-11-18T11:06:40Z and 2 validators: ed25519 " in text
    assert "with power 5; ed25519 " in text and "lasts 1,825 days" in text
    changed = replace(
        one, status="revoked", client_id="", expires_ms=1_800_000_000_000, appeals=2, permit=Permit("B2", "", "the office", "")
    )
    text = told("chains", chain_key("byo1"), encode_chain(changed))
    assert "is revoked as did:bid:byo1" in text and "Admitted until 2027-01-15T08:00:00Z" in text and "has appealed 2 times." in text
    assert 'Its operator says: permit "B2", authority "the office".' in text and "it is this chain" in text


def test_applications_appeals_and_reports_are_told() -> None:
    digest = b"\x07" * 32
    asked = Application(4, form_of(), beginning_of(CITY), 60, (digest,), 9, 1_800_000_000_000)
    key = application_key(4)
    text = told("chains", key, encode_application(asked))
    assert f'Application 4 is open: {did("bob")} asks for byo1 for the chain city-1, "City".' in text
    assert "Made in block 9, 2027-01-15T08:00:00Z" in text and digest.hex() in text and "Decided" not in text
    done = replace(asked, status="rejected", reason="no permit", by="governance:3", decided_height=12, evidence=())
    text = told("chains", key, encode_application(done))
    assert 'Decided in block 12 by governance:3, for the reason "no permit".' in text and "evidence" not in text
    assert "by governance:3 as byo9" in told("chains", key, encode_application(replace(done, ac="byo9")))
    appeal = Appeal("byo1", 2, "a mistake", digest, did("bob"), 20, 1)
    text = told("chains", appeal_key("byo1", 2), encode_appeal(appeal))
    assert 'Appeal 2 of the chain byo1 is open: "a mistake"' in text and f"on evidence {digest.hex()}." in text and "Answered" not in text
    answered = replace(appeal, evidence=b"", status="rejected", reason="no", answered_height=30)
    text = told("chains", appeal_key("byo1", 2), encode_appeal(answered))
    assert 'Answered in block 30, for the reason "no".' in text and "evidence" not in text
    report = Report("byo1", "status", status_of("byo1"), digest, did("bob"), 20, 1_800_000_000_000)
    text = told("chains", report_key("byo1", "status"), encode_report(report))
    assert "The chain byo1 said of itself (status) in block 20" in text and "That is its own word" in text
    assert key_of("application:4") == ("chains", key)


@given(
    st.sampled_from(["chains", "receipts", "goods", "roles", "validators", "identity", "governance", "evidence", "ibc"]),
    st.binary(min_size=1, max_size=4),
    st.binary(min_size=1, max_size=60),
)
def test_any_bytes_are_told_or_left_alone(store: str, key: bytes, value: bytes) -> None:
    words_of(StateFact(state_height=9, store=store, key=key, value=value))


def test_other_values_have_no_words() -> None:
    assert told("goods", receipt_key("r-1"), encode_receipt(RECEIPT)) == ""
    assert told("receipts", b"\0", b"\1") == ""
    assert words_of(StateFact(state_height=9, store="receipts", key=receipt_key("r-1"), value=None)) == ()


def test_things_have_the_keys_that_contracts_give_them() -> None:
    assert key_of("receipt:r:1") == ("receipts", receipt_key("r:1"))
    issuer = credentials.Issuer(TRADER, "Uni A", b"\5" * 32, True, "governance:1", 6, 1, 2)
    text = told("credentials", credentials.issuer_key(TRADER), credentials.encode_issuer(issuer))
    admitted = f'is admitted as an issuer, "Uni A", by governance:1 in block 6, on evidence {"05" * 32}; 1 schema, 2 status lists.'
    assert f"{TRADER} {admitted}" in text
    text = told("credentials", credentials.issuer_key(TRADER), credentials.encode_issuer(replace(issuer, is_admitted=False)))
    assert f"{TRADER} was removed as an issuer" in text
    schema = credentials.SchemaVersion(TRADER, "degree", 2, b"\6" * 32, 7, 1_700_000_000_000)
    text = told("credentials", credentials.schema_version_key(TRADER, "degree", 2), credentials.encode_schema_version(schema))
    assert f"Schema degree of {TRADER}, version 2: SHA-256 {'06' * 32}, registered in block 7, 2023-11-14T22:13:20Z." in text
    listed = StatusList(TRADER, "1", "revocation", 1, 8, 9, 1_700_000_000_000, (b"\7" * 32, *(b"",) * 15))
    text = told("credentials", list_key(TRADER, "1"), encode_list(listed))
    assert f"Status list 1 of {TRADER}, for revocation, begun in block 8: 131,072 entries of 1 bit, changed last in block 9" in text
    assert "1 of 16 chunks of it are not all zeros" in text
    assert key_of(f"issuer:{TRADER}") == ("credentials", credentials.issuer_key(TRADER))
    assert key_of("package:A-1") == ("goods", unit_key("A-1"))
    assert key_of("intake:i") == ("goods", goods.intake_key("i"))
    assert key_of(f"roles:{TRADER}") == ("roles", roles.holder_key(TRADER))
    assert key_of(f"identity:{TRADER}") == ("identity", identity_key(TRADER))
    assert key_of("chain:byo1") == ("chains", chain_key("byo1"))
    assert key_of("proposal:7") == ("governance", governance.proposal_key(7))


@pytest.mark.parametrize(
    "thing", ["", "receipt", "receipt:", "weather:sun", "chain:BYO1", "proposal:x", f"proposal:{2**64}", "package:a b"]
)
def test_what_is_no_thing_is_wrong_use(thing: str) -> None:
    with pytest.raises(UsageError):
        key_of(thing)
