"""What this machine's libsodium and C code must accept and refuse, one signature per clause of ADR-0002.

The rule lives in a library that may be replaced under us (a distribution's build, a later release with another
equation) and in C that a compiler built, and two nodes that differ here fork. So the host asks `first_deviation`
before it starts.
"""

from chainnode.crypto import ed25519
from chainnode.crypto.verify import verify_many

BULK_ROUNDS = 4  # after three a key has its table

# (clause, public key, signature, message, accepted); hexadecimal. The tests recompute them in plain integers.
CLAUSES: tuple[tuple[str, str, str, str, bool], ...] = (
    (
        "honest",
        "b8dfb585b1e232687bed276b24ea14d35f3f38d0c5665283a2ace407ce74dd0e",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e935766a68cf7b0eddd9d6a5e5076130300705df7e6eea35acb0bddc44f56a5e3a8e0a",
        "00",
        True,
    ),
    (
        "S + L",
        "b8dfb585b1e232687bed276b24ea14d35f3f38d0c5665283a2ace407ce74dd0e",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e93576573cc5d82840ec2e7c82ff030f2ae619df7e6eea35acb0bddc44f56a5e3a8e1a",
        "00",
        False,
    ),
    (
        "A of mixed order, equation holds",
        "9018e9417392c5493bd16b4e8be70ec7bda0890e9ac6f5ec678db3dda2283767",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e93576b2e67ed3a08fcd7c53da9b86be043248d493c34ed4f2ae931347e8fb242ed404",
        "1c",
        True,
    ),
    (
        "A of mixed order, equation holds only times eight",
        "9018e9417392c5493bd16b4e8be70ec7bda0890e9ac6f5ec678db3dda2283767",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e93576cc9a278de700ac5ec2cc980ee32101d81732bd7d74c8b3dbd96f30706a97e000",
        "00",
        False,
    ),
    (
        "R of mixed order, equation holds only times eight",
        "b8dfb585b1e232687bed276b24ea14d35f3f38d0c5665283a2ace407ce74dd0e",
        "a6c1108fff22771a69ff23fb66404ec9aed49c54fa8440377fb4ec5b8305841467fa83b2c89b2c636115fca310f1d661f981b76cc447c0e46c88936f18fa550f",
        "00",
        False,
    ),
    (
        "R of small order",
        "b8dfb585b1e232687bed276b24ea14d35f3f38d0c5665283a2ace407ce74dd0e",
        "0100000000000000000000000000000000000000000000000000000000000000d635fadbd0caa77abc666bdf8fa0d93fbac6188d20d606068bc19ee221734b04",
        "00",
        False,
    ),
    (
        "A of small order",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e935767935e1ac68240000000000000000000000000000000000000000000000000000",
        "30",
        False,
    ),
    (
        "R not canonical",
        "b8dfb585b1e232687bed276b24ea14d35f3f38d0c5665283a2ace407ce74dd0e",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f68d968ae657de87885b370d3f1829e65eaee440af3c74b6f563c015276c8360a",
        "00",
        False,
    ),
    (
        "A not canonical",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ad69ace5ff6c867abd8c7d06c75f6fa0776bc9c6d5325c1437f5ac7383e935767935e1ac68240000000000000000000000000000000000000000000000000000",
        "00",
        False,
    ),
)


def first_deviation() -> str | None:
    """The first clause on which what is in use here disagrees with the rule; None when all is kept. About 2 ms.

    The bulk check decides them more than once, so that its tables of keys and its lanes have their turn too.
    """
    items = [("e", bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message)) for _, public, signature, message, _ in CLAUSES]
    expected = bytes(accepted for *_, accepted in CLAUSES)
    alone = bytes(ed25519.verify(public, signature, message) for _, public, signature, message in items)
    for found in (alone, *(verify_many(items * 2) for _ in range(BULK_ROUNDS))):
        for index, mark in enumerate(found):
            if mark != expected[index % len(expected)]:
                return CLAUSES[index % len(expected)][0]
    return None
