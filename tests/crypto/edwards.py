"""Edwards25519 in plain integers: slow, short, and the twin that the library must equal in the tests (RFC 8032, 5.1)."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    k = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P)


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data: bytes, *, canonical: bool) -> Point | None:
    """ZIP-215 also takes y >= p and a sign bit on x = 0: `canonical=False`."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if canonical and y >= P:
        return None
    y %= P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (canonical and x == 0 and sign):
        return None
    return (-x % P if x & 1 != sign else x, y)


_base = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"), canonical=True)
assert _base is not None
BASE: Point = _base


def _of_order_eight() -> Point:
    for y in range(2, 100):
        point = decode(y.to_bytes(32, "little"), canonical=True)
        if point is not None:
            torsion = multiply(L, point)
            if multiply(4, torsion) != IDENTITY:
                return torsion
    raise AssertionError


TORSION = tuple(multiply(index, _of_order_eight()) for index in range(8))  # the eight points of small order


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def _sides(a: Point, r: Point, s: int, h: int) -> tuple[Point, Point]:
    return multiply(s, BASE), add(r, multiply(h, a))


def accepts(public: bytes, signature: bytes, message: bytes) -> bool:
    """Our rule (ADR-0002)."""
    s = int.from_bytes(signature[32:], "little")
    a, r = decode(public, canonical=True), decode(signature[:32], canonical=True)
    if a is None or r is None or s >= L or a in TORSION or r in TORSION:
        return False
    left, right = _sides(a, r, s, challenge(signature[:32], public, message))
    return left == right


def accepts_zip215(public: bytes, signature: bytes, message: bytes) -> bool:
    """ZIP-215, CometBFT's rule: any encodings, small orders too, the equation times eight."""
    s = int.from_bytes(signature[32:], "little")
    a, r = decode(public, canonical=False), decode(signature[:32], canonical=False)
    if a is None or r is None or s >= L:
        return False
    left, right = _sides(a, r, s, challenge(signature[:32], public, message))
    return multiply(8, left) == multiply(8, right)
