"""Keys derived from one seed along a path: SLIP-10, which for secp256k1 is BIP-32.

The Xinghuo SDKs derive SM2 keys in the same way under a master key of their own, "SM2 seed"; such keys are known to them
alone. Source: SLIP-0010; BIP-0032; Xinghuo BIF-Core-SDK (Java), crypto/slip10.
"""

import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainnode.crypto import secp256k1, sm2
from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY

HARDENED = 1 << 31
DEFAULT_PATHS = {"e": "m/44'/2022'/0'/0'/0'", "s": "m/44'/2022'/0'/0/0", "z": "m/44'/2022'/0'/0/0"}  # 2022 is Xinghuo's coin type
_STEPS_MAX = 16
_STEP = re.compile(r"([0-9]{1,10})(['hH]?)")


@dataclass(frozen=True, slots=True)
class Curve:
    """How a curve's keys are derived. `order` None: any 32 bytes are a key, and all steps are hardened, as with Ed25519.

    `point` gives the compressed public key of a scalar, into which steps that are not hardened go.
    """

    master: bytes
    order: int | None
    point: Callable[[bytes], bytes]


def _no_point(scalar: bytes) -> bytes:
    raise Malformed(BAD_KEY, f"Ed25519 keys are derived by hardened steps alone, as in {DEFAULT_PATHS['e']}")


def _sm2_point(scalar: bytes) -> bytes:
    public = sm2.public_of(scalar)
    return bytes([2 + public[-1] % 2]) + public[1:33]


CURVES = {
    "e": Curve(b"ed25519 seed", None, _no_point),
    "s": Curve(b"Bitcoin seed", secp256k1.ORDER, secp256k1.public_of),
    "z": Curve(b"SM2 seed", sm2.ORDER, _sm2_point),
}


def parse_path(text: str) -> tuple[int, ...]:
    """The steps of a path like m/44'/2022'/0'/0/0, hardened ones with HARDENED added; Malformed(BAD_KEY)."""
    root, *steps = text.split("/")
    matches = [_STEP.fullmatch(step) for step in steps]
    if root != "m" or len(steps) > _STEPS_MAX:
        raise Malformed(BAD_KEY, f"a path is m and at most {_STEPS_MAX} numbers between slashes, hardened ones with ' behind")
    numbers: list[int] = []
    for match in matches:
        if match is None or int(match[1]) >= HARDENED:
            raise Malformed(BAD_KEY, f"a step of a path is a number below {HARDENED}, with ' behind if it is hardened")
        numbers.append(int(match[1]) + (HARDENED if match[2] else 0))
    return tuple(numbers)


def derive(seed: bytes, suite: str, path: str) -> PrivateKey:
    """The key of a suite at a path."""
    return generate(suite, derive_secret(CURVES[suite], seed, parse_path(path))[0])


def derive_secret(curve: Curve, seed: bytes, steps: Sequence[int]) -> tuple[bytes, bytes]:
    """Private key and chain code, 32 bytes each."""
    digest = _hmac(curve.master, seed)
    while not _is_key(curve, digest[:32]):
        digest = _hmac(curve.master, digest)
    secret, chain = digest[:32], digest[32:]
    for step in steps:
        secret, chain = _child(curve, secret, chain, step)
    return secret, chain


def _child(curve: Curve, secret: bytes, chain: bytes, step: int) -> tuple[bytes, bytes]:
    number = step.to_bytes(4, "big")
    digest = _hmac(chain, (b"\x00" + secret if step >= HARDENED else curve.point(secret)) + number)
    while True:
        left, right = digest[:32], digest[32:]
        if curve.order is None:
            return left, right
        child = (int.from_bytes(left, "big") + int.from_bytes(secret, "big")) % curve.order
        if int.from_bytes(left, "big") < curve.order and child:
            return child.to_bytes(32, "big"), right
        digest = _hmac(chain, b"\x01" + right + number)


def _is_key(curve: Curve, secret: bytes) -> bool:
    return curve.order is None or 0 < int.from_bytes(secret, "big") < curve.order


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha512")
