"""Signatures of every kind that a verifier may meet: honest, with torsion, out of range, changed by a bit, and noise.

Points are made with libsodium's group operations, so that ten million inputs take minutes.
"""

import random
from collections.abc import Iterator

from nacl.bindings import crypto_core_ed25519_add, crypto_scalarmult_ed25519_base_noclamp

from tests.crypto.edwards import TORSION, L, P, challenge, encode

Item = tuple[str, bytes, bytes, bytes]
KEYS, NONCES = 40, 200
SMALL = [
    (y + offset * P | sign << 255).to_bytes(32, "little")
    for y in sorted({point[1] for point in TORSION})
    for offset in (0, 1)
    for sign in (0, 1)
    if y + offset * P < 2**255
]
ODD = [*SMALL, *((P + y).to_bytes(32, "little") for y in range(19)), bytes(range(32)), b"\xff" * 32]
EDGES = [0, 1, L - 1, L, L + 1, 2**252, 2**253 - 1, 2**255, 2**256 - 1]


def shifted(scalar: int, torsion: int) -> bytes:
    """scalar*B plus a point of small order."""
    return bytes(crypto_core_ed25519_add(crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little")), encode(TORSION[torsion])))


class Inputs:
    """Draws items from a seed, which a failure must print."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys = [(a, [shifted(a, t) for t in range(8)]) for a in self._scalars(KEYS)]
        self.nonces = [(r, [shifted(r, t) for t in range(8)]) for r in self._scalars(NONCES)]

    def _scalars(self, count: int) -> list[int]:
        return [self.random.randrange(1, L) for _ in range(count)]

    def signed(self, a_torsion: int = 0, r_torsion: int = 0, length: int | None = None) -> Item:
        """A signature that satisfies the equation times eight."""
        a, publics = self.random.choice(self.keys)
        r, commitments = self.random.choice(self.nonces)
        message = self.random.randbytes(self.random.randrange(300) if length is None else length)
        public, commitment = publics[a_torsion], commitments[r_torsion]
        s = (r + challenge(commitment, public, message) * a) % L
        return "e", public, commitment + s.to_bytes(32, "little"), message

    def item(self) -> Item:
        """One of any kind; about half of them count."""
        kind = self.random.randrange(100)
        if kind < 50:
            return self.signed()
        if kind < 70:
            return self.signed(self.random.randrange(8), self.random.randrange(8))
        suite, public, signature, message = self.signed(self.random.choice((0, 0, 0, 4)))
        if kind < 85:
            parts = [bytearray(public), bytearray(signature), bytearray(message or b"\x00")]
            part = self.random.choice(parts)
            part[self.random.randrange(len(part))] ^= 1 << self.random.randrange(8)
            return suite, bytes(parts[0]), bytes(parts[1]), bytes(parts[2])
        s = int.from_bytes(signature[32:], "little")
        if kind < 89:
            s += self.random.randrange(1, 15) * L
            return suite, public, signature[:32] + s.to_bytes(32, "little"), message
        if kind < 91:
            return suite, public, signature[:32] + self.random.choice(EDGES).to_bytes(32, "little"), message
        if kind < 95:
            return self._odd()
        if kind < 97:  # the other root
            return suite, public[:31] + bytes([public[31] ^ 0x80]), signature, message
        return suite, self.random.randbytes(32), self.random.randbytes(63) + bytes([self.random.randrange(16)]), message

    def _odd(self) -> Item:
        """An encoding of small order or out of range as key or commitment, with an S that fits a key of order one, or none."""
        odd, message = self.random.choice(ODD), self.random.randbytes(2)
        r, commitments = self.random.choice(self.nonces)
        if self.random.random() < 0.5:
            return "e", odd, commitments[0] + r.to_bytes(32, "little"), message
        a, publics = self.random.choice(self.keys)
        s = challenge(odd, publics[0], message) * a % L
        return "e", publics[0], odd + s.to_bytes(32, "little"), message

    def items(self, count: int) -> Iterator[Item]:
        """So many."""
        return (self.item() for _ in range(count))
