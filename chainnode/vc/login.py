"""Login with a DID: a challenge that an application makes, the holder's signature, and the check that lets it in once.

The application keeps one secret of 32 bytes and a `Nonces`; between the two steps it keeps nothing, since the challenge carries
a code that only the secret makes. So nobody can sign a challenge in advance, and asking for many fills no memory.
"""

import heapq
import hmac
from dataclasses import dataclass

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.codes import (
    BAD_SIGNATURE,
    CHALLENGE_EXPIRED,
    CHALLENGE_USED,
    MALFORMED,
    METHOD_NOT_AUTHORISED,
    OVERLOADED,
    WRONG_CHALLENGE,
)
from chainnode.types.limits import CHAIN_ID_BYTES_MAX, DID_URL_BYTES_MAX, LOGIN_LIFETIME_MS_MAX, LOGIN_NONCES_MAX, NAME_BYTES_MAX
from chainnode.vc.dataintegrity import AUTHENTICATION_METHOD, ResolveMethod
from chainnode.vc.jws import from_base64url, to_base64url
from chainnode.vc.signatures import SIGNATURE_BYTES, sign_message, verify_message

TAG = "chainnode login 1"
NONCE_BYTES = 16
SECRET_BYTES = 32
_CODE_BYTES = 16
_CODE_TAG = b"chainnode login code 1\n"
DOMAIN_BYTES_MAX = 4 * NAME_BYTES_MAX  # a host name and a port
_TIME_MS_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the holder is asked to sign, with its DID: for which application, on which chain, until when.

    `nonce` is base64url of 16 random bytes and the application's code over all of this.
    """

    domain: str
    chain_id: str
    nonce: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed challenge: `method` is the verification method, of the DID itself, whose key made the signature."""

    challenge: Challenge
    did: str
    method: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """Who has come in, by which key."""

    did: str
    method: str
    kind: str
    public_key: bytes


class Nonces:
    """The challenges that were answered, each until it expires; a second answer is refused.

    Bounded: when LOGIN_NONCES_MAX holders have come in within the lifetime of a challenge, the next must wait.
    """

    def __init__(self, count_max: int = LOGIN_NONCES_MAX) -> None:
        self._count_max = count_max
        self._used: dict[str, None] = {}
        self._by_expiry: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._used)

    def use(self, nonce: str, expires_ms: int, now_ms: int) -> None:
        """Note an answer. Rejected(CHALLENGE_USED) the second time, Unavailable(OVERLOADED) when there is no room."""
        while self._by_expiry and self._by_expiry[0][0] <= now_ms:
            del self._used[heapq.heappop(self._by_expiry)[1]]
        if nonce in self._used:
            raise Rejected(CHALLENGE_USED)
        if len(self._used) >= self._count_max:
            raise Unavailable(OVERLOADED, "too many logins at one time")
        self._used[nonce] = None
        heapq.heappush(self._by_expiry, (expires_ms, nonce))


def new_challenge(domain: str, nonce: bytes, now_ms: int, lifetime_ms: int, *, chain_id: str, secret: bytes) -> Challenge:
    """A challenge of the application `domain`; the caller draws the 16 bytes of `nonce`, and keeps `secret` to itself."""
    assert len(nonce) == NONCE_BYTES and len(secret) == SECRET_BYTES and 0 < lifetime_ms <= LOGIN_LIFETIME_MS_MAX
    expires_ms = now_ms + lifetime_ms
    made = Challenge(domain, chain_id, to_base64url(nonce + _code(secret, domain, chain_id, nonce, expires_ms)), expires_ms)
    check_challenge(made)
    return made


def message_of(challenge: Challenge, did: str) -> bytes:
    """What is signed: the tag, then domain, DID, nonce, expiry (ms since 1970) and chain id, each on a line of its own."""
    check_challenge(challenge)
    _check_line("did", did, DID_URL_BYTES_MAX)
    return "\n".join((TAG, challenge.domain, did, challenge.nonce, str(challenge.expires_ms), challenge.chain_id)).encode()


def sign_challenge(challenge: Challenge, did: str, method: str, key: PrivateKey) -> Answer:
    """The holder's answer. The holder should see `challenge.domain` before: whoever asks, this name is let in."""
    return Answer(challenge, did, method, sign_message(key, message_of(challenge, did)))


def verify_challenge(
    answer: Answer, resolve_method: ResolveMethod, now_ms: int, *, domain: str, chain_id: str, secret: bytes, nonces: Nonces
) -> Login:
    """Let a holder in. `resolve_method` gives the keys that the DID's document lists for authentication.

    Rejected(WRONG_CHALLENGE, CHALLENGE_EXPIRED, METHOD_NOT_AUTHORISED, BAD_SIGNATURE, CHALLENGE_USED), Malformed, Unavailable, and
    whatever `resolve_method` raises. The challenge is used up by a signature that counts, and by nothing else.
    """
    challenge = answer.challenge
    message = message_of(challenge, answer.did)
    if (challenge.domain, challenge.chain_id) != (domain, chain_id):
        raise Rejected(WRONG_CHALLENGE, "the challenge is for another application or chain")
    packed = _bytes_of(challenge.nonce)
    nonce, code = packed[:NONCE_BYTES], packed[NONCE_BYTES:]
    if not hmac.compare_digest(code, _code(secret, domain, chain_id, nonce, challenge.expires_ms)):
        raise Rejected(WRONG_CHALLENGE, "this application has not made the challenge")
    if now_ms >= challenge.expires_ms:
        raise Rejected(CHALLENGE_EXPIRED)
    if answer.method.partition("#")[0] != answer.did or "#" not in answer.method:
        raise Rejected(METHOD_NOT_AUTHORISED, "the key is not one of the DID's document")
    kind, public_key = resolve_method(answer.method, AUTHENTICATION_METHOD)
    if not verify_message(kind, public_key, answer.signature, message):
        raise Rejected(BAD_SIGNATURE)
    nonces.use(challenge.nonce, challenge.expires_ms, now_ms)
    return Login(answer.did, answer.method, kind, public_key)


def check_challenge(challenge: Challenge) -> None:
    """Malformed(MALFORMED) unless each part has its form, on one line."""
    _check_line("domain", challenge.domain, DOMAIN_BYTES_MAX)
    _check_line("chain_id", challenge.chain_id, CHAIN_ID_BYTES_MAX)
    _bytes_of(challenge.nonce)
    if type(challenge.expires_ms) is not int or not 0 < challenge.expires_ms <= _TIME_MS_MAX:
        raise Malformed(MALFORMED, "expires_ms is a time")


def challenge_json(challenge: Challenge) -> dict[str, str | int]:
    """The challenge for the holder, as JSON."""
    check_challenge(challenge)
    members = {"domain": challenge.domain, "chainId": challenge.chain_id, "nonce": challenge.nonce}
    return {**members, "expiresMs": challenge.expires_ms}


def answer_json(answer: Answer) -> dict[str, object]:
    """The answer for the application, as JSON."""
    return {
        "challenge": challenge_json(answer.challenge),
        "did": answer.did,
        "verificationMethod": answer.method,
        "signature": answer.signature.hex(),
    }


def read_challenge(value: object) -> Challenge:
    """The challenge in a JSON value; Malformed(MALFORMED)."""
    domain, chain_id, nonce, expires_ms = _members(value, "domain", "chainId", "nonce", "expiresMs")
    if not isinstance(domain, str) or not isinstance(chain_id, str) or not isinstance(nonce, str) or type(expires_ms) is not int:
        raise Malformed(MALFORMED, "a challenge has a domain, a chainId and a nonce as texts, and expiresMs as a number")
    made = Challenge(domain, chain_id, nonce, expires_ms)
    check_challenge(made)
    return made


def read_answer(value: object) -> Answer:
    """The answer in a JSON value; Malformed(MALFORMED)."""
    challenge, did, method, signature = _members(value, "challenge", "did", "verificationMethod", "signature")
    if not isinstance(did, str) or not isinstance(method, str) or not isinstance(signature, str):
        raise Malformed(MALFORMED, "did, verificationMethod and signature of an answer are texts")
    _check_line("did", did, DID_URL_BYTES_MAX)
    _check_line("verificationMethod", method, DID_URL_BYTES_MAX)
    if len(signature) != 2 * SIGNATURE_BYTES or any(letter not in "0123456789abcdef" for letter in signature):
        raise Malformed(MALFORMED, f"a signature is {2 * SIGNATURE_BYTES} lower-case hexadecimal digits")
    return Answer(read_challenge(challenge), did, method, bytes.fromhex(signature))


def _members(value: object, *names: str) -> tuple[object, ...]:
    if not isinstance(value, dict) or sorted(map(str, value)) != sorted(names):
        raise Malformed(MALFORMED, f"an object with exactly the members {', '.join(names)}")
    return tuple(value[name] for name in names)


def _code(secret: bytes, domain: str, chain_id: str, nonce: bytes, expires_ms: int) -> bytes:
    lines = "\n".join((domain, chain_id, nonce.hex(), str(expires_ms))).encode()
    return hmac.digest(secret, _CODE_TAG + lines, "sha256")[:_CODE_BYTES]


def _bytes_of(nonce: str) -> bytes:
    try:
        data = from_base64url(nonce)
    except Malformed:
        data = b""
    if len(data) != NONCE_BYTES + _CODE_BYTES:
        raise Malformed(MALFORMED, f"nonce is base64url of {NONCE_BYTES + _CODE_BYTES} bytes, without padding")
    return data


def _check_line(name: str, text: str, bytes_max: int) -> None:
    is_line = text.isprintable() and " " not in text and text != ""
    if not is_line or len(text.encode()) > bytes_max:
        raise Malformed(MALFORMED, f"{name} is one line without blanks, of at most {bytes_max} bytes")
