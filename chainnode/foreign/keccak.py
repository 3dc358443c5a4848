"""Keccak-256, the hash of Ethereum, in plain Python.

Python's hashlib has SHA-3, whose padding differs, and not this. About 0.2 ms per block of 136 bytes: a header is five such blocks, a
proof of a slot ten to sixty. Source: FIPS 202; the Keccak reference, version 3.0, for the padding.
"""

_LANE = 2**64 - 1
_RATE_BYTES = 136
_ROUNDS = 24
_PADDING = 0x01  # SHA3-256 has 06 here


def keccak256(message: bytes) -> bytes:
    """The 32 bytes that Ethereum calls the hash of `message`."""
    return sponge(message, _PADDING)


def sponge(message: bytes, first_padding: int) -> bytes:
    """Keccak with 256 bits of output; with 06 as first byte of the padding it is SHA3-256."""
    padding = bytearray(_RATE_BYTES - len(message) % _RATE_BYTES)
    padding[0] |= first_padding
    padding[-1] |= 0x80
    padded = message + bytes(padding)
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE_BYTES):
        for place in range(_RATE_BYTES // 8):
            lanes[place] ^= int.from_bytes(padded[start + 8 * place : start + 8 * place + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _round_constants() -> tuple[int, ...]:
    """What step iota adds in each round, from its shift register. Source: FIPS 202, algorithm 5."""
    register, constants = 1, []
    for _ in range(_ROUNDS):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _walk() -> tuple[tuple[int, int], ...]:
    """Steps rho and pi in one: the lanes in the order of the walk, and how far each turns. Source: FIPS 202, algorithms 2 and 3."""
    x, y, moves = 1, 0, []
    for step in range(24):
        x, y = y, (2 * x + 3 * y) % 5
        moves.append((x + 5 * y, (step + 1) * (step + 2) // 2 % 64))
    return tuple(moves)


_CONSTANTS = _round_constants()
_WALK = _walk()


def _permute(lanes: list[int]) -> list[int]:
    """Keccak-f[1600] on 25 lanes of 64 bits, lane x + 5 y."""
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixes = [columns[x - 1] ^ ((columns[(x + 1) % 5] << 1 | columns[(x + 1) % 5] >> 63) & _LANE) for x in range(5)]
        lanes = [lane ^ mixes[place % 5] for place, lane in enumerate(lanes)]
        carried = lanes[1]
        for place, turn in _WALK:
            lanes[place], carried = (carried << turn | carried >> (64 - turn)) & _LANE, lanes[place]
        mixed: list[int] = []
        for row in range(0, 25, 5):
            a, b, c, d, e = lanes[row : row + 5]
            mixed += (a ^ (~b & c), b ^ (~c & d), c ^ (~d & e), d ^ (~e & a), e ^ (~a & b))
        mixed[0] ^= constant
        lanes = mixed
    return lanes
