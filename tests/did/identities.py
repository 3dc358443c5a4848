"""Keys, documents and records as the tests of DIDs draw them."""

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st

from chainnode.bid import did_of
from chainnode.crypto.suites import generate
from chainnode.did.record import (
    AUTHENTICATION,
    DELEGATION,
    KEY_AGREEMENT,
    SIGNING,
    Attribute,
    Control,
    Document,
    Extension,
    Facts,
    Identity,
    Method,
    Service,
)

KIND_OF_CURVE = {"Ed25519": "e", "secp256k1": "s", "SM2": "z", "P-256": "p", "X25519": "x"}
ALLOWED = {"e": SIGNING, "s": SIGNING, "z": SIGNING, "p": SIGNING + KEY_AGREEMENT - 8, "x": KEY_AGREEMENT}


def public_key(kind: str, number: int) -> bytes:
    """The public key of kind `kind` with a small secret number."""
    secret = number.to_bytes(32, "big")
    if kind == "p":
        key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    if kind == "x":
        return x25519.X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    return generate(kind, secret).public


NUMBERS = st.integers(1, 2**64)
KEYS = st.tuples(st.sampled_from("eszpx"), NUMBERS).map(lambda pair: (pair[0], public_key(*pair)))
DIDS = st.tuples(st.sampled_from("esz"), NUMBERS, st.sampled_from([None, "byo1"])).map(
    lambda one: did_of(one[0], public_key(one[0], one[1]), one[2])
)
NAMES = st.text(st.sampled_from("abcXYZ019"), min_size=1, max_size=8)
FRAGMENTS = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Z", "C")), min_size=1, max_size=12)
URIS = NAMES.map(lambda name: f"https://{name.lower()}.example/{name}?a=%20")


@st.composite
def methods(draw, kinds: str = "eszpx") -> tuple[Method, ...]:
    """Methods of different keys and fragments."""
    fragments = draw(st.lists(FRAGMENTS, max_size=5, unique=True))
    found: dict[tuple[str, bytes], Method] = {}
    for fragment in fragments:
        kind = draw(st.sampled_from(kinds))
        key = public_key(kind, draw(NUMBERS))
        bits = draw(st.integers(1, 31)) & ALLOWED[kind] or ALLOWED[kind]
        found[kind, key] = Method(fragment, kind, key, bits)
    return tuple(found.values())


SERVICES = st.lists(
    st.builds(
        Service,
        FRAGMENTS.map(lambda name: f"service-{name}"),
        st.sampled_from(["LinkedDomains", "DIDStorage", "DIDResolver"]),
        URIS,
        st.dictionaries(NAMES.map(lambda name: f"m{name}"), TEXTS | st.integers(-5, 2**40), max_size=3).map(
            lambda members: tuple(sorted(members.items()))
        ),
    ),
    max_size=3,
    unique_by=lambda service: service.fragment,
).map(tuple)
WEB_NAMES = st.one_of(
    DIDS.map(lambda did: (101, did)),
    NAMES.map(lambda name: (102, f"did:web:{name}.example")),
    URIS.map(lambda uri: (103, uri)),
    NAMES.map(lambda name: (105, f"hdl:20.500/{name}")),
)
EXTENSIONS = st.builds(
    Extension,
    st.sampled_from([101, 105, 206, 999]),
    st.integers(0, 10**6),
    st.lists(st.builds(Attribute, TEXTS, TEXTS, st.integers(0, 1), st.sampled_from(["text", "image"]), TEXTS), max_size=2).map(tuple),
    st.lists(st.sampled_from(["byo1", "by01", "1234"]), max_size=2, unique=True).map(tuple),
    st.lists(st.tuples(DIDS, st.integers(201, 204)), max_size=2).map(tuple),
)


@st.composite
def identities(draw, kinds: str = "eszpx") -> Identity:
    """An active version of a DID."""
    controllers = draw(st.lists(DIDS, max_size=3, unique=True))
    recovery = draw(st.lists(DIDS, max_size=3, unique=True))
    control = Control(tuple(controllers), draw(st.integers(1, max(1, len(controllers)))), tuple(recovery))
    facts = Facts(draw(SERVICES), draw(st.lists(WEB_NAMES, max_size=3, unique=True).map(tuple)), draw(EXTENSIONS))
    created_ms = draw(st.integers(0, 4 * 10**12))
    sequence = draw(st.integers(1, 9))
    time_ms = created_ms if sequence == 1 else created_ms + draw(st.integers(1, 10**9))
    return Identity(
        draw(DIDS),
        sequence,
        bytes(32) if sequence > 1 else b"",
        7,
        time_ms,
        created_ms,
        True,
        Document(draw(methods(kinds)), control, facts),
    )


def rich_identity() -> Identity:
    """A version with something of everything."""
    kinds = {"key-1": ("e", SIGNING), "key-2": ("z", SIGNING), "key-3": ("s", AUTHENTICATION), "key-4": ("p", KEY_AGREEMENT + DELEGATION)}
    kinds |= {"key-5": ("x", KEY_AGREEMENT)}
    written = tuple(Method(name, kind, public_key(kind, 5), bits) for name, (kind, bits) in kinds.items())
    did = did_of("e", public_key("e", 5))
    others = tuple(did_of("e", public_key("e", number)) for number in (6, 7, 8))
    return Identity(
        did,
        3,
        bytes(32),
        41,
        1_700_000_123_456,
        1_600_000_000_999,
        True,
        Document(
            written,
            Control(others[:2], 2, others[1:], 2),
            Facts(
                (
                    Service("files", "DIDStorage", "https://files.example/a"),
                    Service("sub", "DIDSubResolver", "https://192.168.1.23:8080", (("version", "1.0.0"),)),
                ),
                (
                    (101, others[0]),
                    (102, "did:web:a.example"),
                    (103, "a.example"),
                    (103, "https://a.example/"),
                    (104, "88.118.8/x"),
                    (105, "20.500/1"),
                ),
                Extension(
                    102,
                    3600,
                    (Attribute("name", "the name", 0, "text", "红枣"), Attribute("logo", "", 1, "image", "aGVsbG8=")),
                    ("byo1", "by01"),
                    ((others[2], 201),),
                    f"{others[1]}#key-1",
                    bytes(range(64)),
                ),
            ),
        ),
    )
