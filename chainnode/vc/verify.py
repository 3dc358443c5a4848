"""Whether to believe a credential or a presentation in any form that is read here, with what was checked said in words.

Nothing is fetched: keys, status lists, the ledger's genesis and the time come from the caller. Each answer lists what was checked, by
which keys, and what was not, so that nobody takes silence for a yes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import (
    BAD_CREDENTIAL,
    BAD_STATUS_LIST,
    CREDENTIAL_REVOKED,
    CREDENTIAL_SUSPENDED,
    METHOD_NOT_AUTHORISED,
    STATUS_UNKNOWN,
    SUITE_UNKNOWN,
    WRONG_CHALLENGE,
)
from chainnode.types.genesis import Genesis
from chainnode.vc import statuslist
from chainnode.vc.bifjws import is_bif, verify_bif
from chainnode.vc.credential import (
    ENVELOPED_CREDENTIAL_TYPE,
    Credential,
    check_credential,
    check_envelope,
    check_presentation,
    check_validity,
    is_enveloped,
)
from chainnode.vc.dataintegrity import AUTHENTICATION_METHOD, Expected, ResolveMethod, Verified, verify_all
from chainnode.vc.jcs import Document, Json, check_depth, parse
from chainnode.vc.ledgerproof import LedgerProof, is_ledger_proved, verify_ledger_proof
from chainnode.vc.sdjwt import is_sdjwt, verify_sdjwt
from chainnode.vc.statuslist import ENTRY_TYPE, REVOCATION, SUSPENSION, check_status

DATA_INTEGRITY, SD_JWT, BIF_JWS, LEDGER = "Data Integrity", "SD-JWT", "Xinghuo JWS", "ledger proof"
KIND_NAMES = {"e": "Ed25519", "s": "secp256k1", "z": "SM2", "p": "P-256"}
_UNCHECKED_MEMBERS = {
    "credentialSchema": "the content against its schema",
    "evidence": "the evidence that the issuer names",
    "termsOfUse": "the terms of use",
    "refreshService": "whether there is a newer credential",
    "relatedResource": "the digests of related resources",
}
ISSUER_TRUST = "whether the issuer may issue this"


@dataclass(frozen=True, slots=True)
class StatusLists:
    """Status lists by URL: `signed` are credentials with proofs, `proved` come from a ledger by a proof that the caller has checked.

    `as_of` says of proved ones, by URL, after which block and when they were so.
    """

    signed: Mapping[str, Document] = field(default_factory=dict)
    proved: Mapping[str, Document] = field(default_factory=dict)
    as_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the caller knows."""

    resolve_method: ResolveMethod
    now_ms: int
    lists: StatusLists
    genesis: Genesis | None


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signed: the verification method that names it, its kind, and itself."""

    method: str
    kind: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. `is_valid`: every check that belongs to the form was made, and passed.

    `checked` are sentences, `unchecked` what they leave out. `code` and `detail` say what failed first, both empty when nothing did.
    """

    form: str
    is_valid: bool = False
    id: str = ""
    types: tuple[str, ...] = ()
    issuer: str = ""
    claims: Document = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    code: str = ""
    detail: str = ""

    def told(self, *sentences: str) -> "Result":
        """The result with more that was checked."""
        return replace(self, checked=(*self.checked, *sentences))


def read_lists(documents: Mapping[str, Document], genesis: Genesis | None, now_ms: int) -> StatusLists:
    """Status lists by URL, those with a ledger's proof checked against its genesis. Malformed, Rejected when one of these does not hold."""
    proved, signed, as_of = dict[str, Document](), dict[str, Document](), dict[str, str]()
    for url, document in documents.items():
        if is_ledger_proved(document):
            proof = _ledger_proof(document, genesis, now_ms)
            proved[url], as_of[url] = proof.document, proof.as_of
        else:
            signed[url] = document
    return StatusLists(signed, proved, as_of)


def verify_credential(
    value: Json, resolve_method: ResolveMethod, now_ms: int, status_lists: StatusLists | None = None, genesis: Genesis | None = None
) -> Result:
    """Verify a credential: a JSON object, or a text with JSON, an SD-JWT or a Xinghuo token. Never raises Malformed or Rejected.

    `genesis` is of the ledger whose proofs are believed. Unavailable comes through: a library or a resolver was missing, and nothing is
    said about the credential.
    """
    given = _Given(resolve_method, now_ms, StatusLists() if status_lists is None else status_lists, genesis)
    return _guarded("unknown", lambda told: _verify(value, given, told))


def verify_presentation(
    value: Json,
    resolve_method: ResolveMethod,
    now_ms: int,
    status_lists: StatusLists | None = None,
    genesis: Genesis | None = None,
    *,
    domain: str | None = None,
    challenge: str | None = None,
) -> tuple[Result, tuple[Result, ...]]:
    """Verify a presentation with Data Integrity proofs by its holder, for this domain and challenge; and each credential in it.

    An SD-JWT whose holder has bound it to domain (audience) and challenge (nonce) is a presentation too, of itself.

    The first result is about the whole: valid when the presentation and each of its credentials are.
    """
    given = _Given(resolve_method, now_ms, StatusLists() if status_lists is None else status_lists, genesis)
    inside: list[Result] = []

    def run(told: "_Story") -> Result:
        if isinstance(value, str) and is_sdjwt(value.strip()):
            if domain is None or challenge is None:
                raise Rejected(WRONG_CHALLENGE, "who shows an SD-JWT shows it for a domain and a challenge")
            return _verify_sdjwt(value.strip(), given, told, (domain, challenge))
        document = _document(value)
        found = check_presentation(document)
        told.say("it has the form of W3C presentations 2.0")
        proofs = verify_all(document, resolve_method, Expected(now_ms, AUTHENTICATION_METHOD, domain, challenge))
        told.say(*map(_by, proofs))
        if found.holder:
            _require_own(proofs, found.holder, "holder")
            told.say(f"its holder {found.holder} made a proof")
        told.say("the proof is for the domain and the challenge that were asked for" if challenge else "the proof names no challenge")
        inside.extend(verify_credential(one, resolve_method, now_ms, status_lists, genesis) for one in found.credentials)
        inside.extend(_enveloped(url, given) for url in found.enveloped)
        for one in inside:
            if not one.is_valid:
                raise Rejected(BAD_CREDENTIAL, f"a credential in it does not count: {one.detail}")
        told.say(f"{len(inside)} credentials in it count")
        unchecked = ("whether the holder is who the credentials are about",) if inside else ()
        if challenge is None:
            unchecked = (*unchecked, "whether the presentation is new: no challenge was asked for")
        return Result(DATA_INTEGRITY, id=found.id, issuer=found.holder, keys=_keys(proofs), unchecked=unchecked)

    return _guarded(DATA_INTEGRITY, run), tuple(inside)


class _Story:
    """What was checked so far, also when the next check fails."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, *sentences: str) -> None:
        """One more."""
        self.sentences.extend(sentences)


def _guarded(form: str, run: Callable[[_Story], Result]) -> Result:
    """The result of a verification, valid unless it was refused; what was checked stands in it either way."""
    told = _Story()
    try:
        found = run(told)
    except (Malformed, Rejected) as refusal:
        return Result(form, checked=tuple(told.sentences), code=refusal.code.name, detail=refusal.detail)
    return replace(found.told(*told.sentences), is_valid=True)


def _verify(value: Json, given: _Given, told: _Story) -> Result:
    """Which form it is, and what that asks for."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        text = value.strip()
        return _verify_sdjwt(text, given, told) if is_sdjwt(text) else _verify_bif(text, given, told)
    document = _document(value)
    if is_bif(document):
        return _verify_bif(document, given, told)
    if is_enveloped(document, ENVELOPED_CREDENTIAL_TYPE):
        return _verify_sdjwt(_sdjwt_in(*check_envelope(document, ENVELOPED_CREDENTIAL_TYPE)), given, told)
    return _verify_ledger(document, given, told) if is_ledger_proved(document) else _verify_w3c(document, given, told)


def _verify_w3c(document: Document, given: _Given, told: _Story) -> Result:
    found = check_credential(document)
    told.say("it has the form of W3C credentials 2.0")
    proofs = _check_signed(document, found, given, told)
    unchecked = [words for name, words in _UNCHECKED_MEMBERS.items() if name in document]
    for entry in found.statuses:
        _check_status(entry, found.issuer, given, told)
    if not found.statuses:
        unchecked.append("whether it was revoked: it names no status list")
    claims: Document = {"credentialSubject": document["credentialSubject"]}
    return Result(
        DATA_INTEGRITY,
        id=found.id,
        types=found.types,
        issuer=found.issuer,
        claims=claims,
        keys=_keys(proofs),
        unchecked=(*unchecked, "what remote contexts say", ISSUER_TRUST),
    )


def _verify_ledger(document: Document, given: _Given, told: _Story) -> Result:
    found = check_credential(document)
    told.say("it has the form of W3C credentials 2.0")
    proof = _ledger_proof(document, given.genesis, given.now_ms)
    verified = proof.verified
    told.say(
        f"chain {verified.chain_id} proves all that it says, after {proof.as_of}: "
        f"{verified.power_signed} of {verified.power_total} voting power signed that"
    )
    check_validity(found, given.now_ms)
    told.say("it is in force at the time that was asked for")
    claims: Document = {"credentialSubject": proof.document["credentialSubject"]}
    unchecked = (f"what has changed since {proof.as_of}",)
    return Result(LEDGER, id=found.id, types=found.types, issuer=found.issuer, claims=claims, unchecked=unchecked)


def _ledger_proof(document: Document, genesis: Genesis | None, now_ms: int) -> LedgerProof:
    if genesis is None:
        raise Rejected(SUITE_UNKNOWN, "a ledger proves it, and which ledger is believed was not said: its genesis file is wanted")
    return verify_ledger_proof(document, genesis, now_ms)


def _check_signed(document: Document, found: Credential, given: _Given, told: _Story) -> tuple[Verified, ...]:
    """Every proof counts, one of them is the issuer's own, and the credential is in force."""
    proofs = verify_all(document, given.resolve_method, Expected(given.now_ms))
    _require_own(proofs, found.issuer, "issuer")
    told.say(*map(_by, proofs), f"its issuer {found.issuer} made a proof")
    check_validity(found, given.now_ms)
    told.say("it is in force at the time that was asked for")
    return proofs


def _check_status(entry: Document, issuer: str, given: _Given, told: _Story) -> None:
    """One status, by a list of the same issuer that counts itself."""
    if entry.get("type") != ENTRY_TYPE:
        raise Rejected(STATUS_UNKNOWN, "the credential has a status of a type that is not read here")
    url = statuslist.read_entry(entry).credential
    known = given.lists.proved.get(url) or given.lists.signed.get(url)
    if known is None:
        raise Rejected(STATUS_UNKNOWN, f"the status list {url} was not given")
    listed = check_credential(known)
    if listed.issuer != issuer:
        raise Rejected(BAD_STATUS_LIST, f"the status list is of {listed.issuer}, not of the issuer")
    if url in given.lists.proved:
        as_of = f", after {given.lists.as_of[url]}" if url in given.lists.as_of else ""
        told.say(f"the status list {url} is proved by the ledger{as_of}")
    else:
        story = _Story()
        _check_signed(known, listed, given, story)
        told.say(*(f"status list {url}: {sentence}" for sentence in story.sentences))
    status = check_status(entry, known)
    if status.purpose in (REVOCATION, SUSPENSION) and not status.is_valid:
        code = CREDENTIAL_REVOKED if status.purpose == REVOCATION else CREDENTIAL_SUSPENDED
        raise Rejected(code, f"by {url}, entry {entry['statusListIndex']}")
    said = f": {status.message}" if status.message else ""
    told.say(f"{status.purpose} by {url}, entry {entry['statusListIndex']}: {status.value}{said}")


def _verify_sdjwt(text: str, given: _Given, told: _Story, verifier: tuple[str, str] | None = None) -> Result:
    audience, nonce = (None, None) if verifier is None else verifier
    found = verify_sdjwt(text, given.resolve_method, given.now_ms, audience=audience, nonce=nonce)
    key = Key(found.method, found.kind, found.public_key)
    told.say(
        "it is an SD-JWT credential, each claim that is shown fits its digest",
        _key_words(key),
        f"the key is one of its issuer {found.issuer}",
        "it is in force at the time that was asked for",
    )
    if "status" in found.claims:
        raise Rejected(STATUS_UNKNOWN, "the credential has a status of a type that is not read here")
    unchecked = [f"the type {found.type} and its rules", ISSUER_TRUST]
    if found.is_bound:
        told.say("its holder has bound it to the domain and the challenge that were asked for")
    elif found.holder is not None:
        unchecked.insert(0, "whether who shows it is the holder: it is bound to a key, and no challenge was asked for")
    return Result(SD_JWT, types=(found.type,), issuer=found.issuer, claims=found.claims, keys=(key,), unchecked=tuple(unchecked))


def _verify_bif(value: Json, given: _Given, told: _Story) -> Result:
    found = verify_bif(value, given.resolve_method, given.now_ms)
    key = Key(found.method, found.kind, found.public_key)
    told.say(
        "it has the form of Xinghuo RFC-008",
        _key_words(key),
        f"the key is one of its issuer {found.issuer}",
        "it is in force at the time that was asked for",
    )
    if found.hidden:
        told.say(f"not shown: {', '.join(found.hidden)}")
    unchecked = [ISSUER_TRUST]
    if found.template_id:
        unchecked.insert(0, f"the content against the template {found.template_id}")
    if found.revocation_id:
        unchecked.insert(0, f"whether it was revoked: {found.revocation_id} is a record of the issuer's network")
    return Result(
        BIF_JWS,
        id=found.id,
        types=found.types,
        issuer=found.issuer,
        claims={"credentialSubject": found.claims},
        keys=(key,),
        unchecked=tuple(unchecked),
    )


def _enveloped(url: str, given: _Given) -> Result:
    """The result for an envelope of a presentation, which was checked before."""
    media, _, content = url.removeprefix("data:").partition(",")
    return _guarded(SD_JWT, lambda told: _verify_sdjwt(_sdjwt_in(media, content), given, told))


def _sdjwt_in(media: str, content: str) -> str:
    if not media.partition(";")[0].endswith("+sd-jwt") or ";base64" in media:
        raise Rejected(SUITE_UNKNOWN, f"envelopes of {media} are not read here, only those with an SD-JWT")
    return content


def _require_own(proofs: tuple[Verified, ...], did: str, who: str) -> None:
    """One of the proofs is by a key of the one who is named."""
    if all(one.method.partition("#")[0] != did for one in proofs):
        raise Rejected(METHOD_NOT_AUTHORISED, f"no proof is by a key of the {who} {did}")


def _document(value: Json) -> Document:
    found = parse(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise Malformed(BAD_CREDENTIAL, "it is no JSON object")
    check_depth(found)
    return found


def _keys(proofs: tuple[Verified, ...]) -> tuple[Key, ...]:
    return tuple(Key(one.method, one.kind, one.public_key) for one in proofs)


def _by(one: Verified) -> str:
    return f"{_key_words(Key(one.method, one.kind, one.public_key))}, with {one.suite} for {one.purpose}"


def _key_words(key: Key) -> str:
    return f"{key.method} signed it, the {KIND_NAMES[key.kind]} key {key.public_key.hex()}"
