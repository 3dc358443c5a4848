"""The form of a chain: what its operator says of it when it applies for an AC number, in the field names of Xinghuo's platform.

`permit` is ours: numbers and dates that an authority may ask for; nothing here says that one does. Sources: Xinghuo Open API, section 3.1.
"""

import json
from collections.abc import Mapping, Sequence

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.did.fieldtables import Group, Kind, ListOf, Text, cleaned
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CHAIN_FORM, BAD_DID
from chainnode.types.limits import CHAIN_ENDPOINTS_MAX, CHAIN_FORM_BYTES_MAX, CHAIN_FORM_LEVELS_MAX, CHAIN_GATEWAYS_MAX
from chainnode.types.transaction import Value

Form = dict[str, Value]
ARCHITECTURES = {
    "10000": "BIF-CORE",
    "10001": "Fabric",
    "10002": "Ethereum",
    "10003": "BubiChain",
    "10004": "Quorum",
    "10005": "XuperChain",
    "10006": "CITA",
    "10007": "FISCO",
    "10008": "other",
}
OWN_ARCHITECTURE = "10008"  # what a chain of this program says
SUB_CHAIN, BACKBONE_CHAIN = "0", "1"
_BID, _AMOUNT, _REMARK = Text(64), Text(30, pattern="[0-9]+"), Text(128)
_GATEWAYS = ListOf(_BID, CHAIN_GATEWAYS_MAX, count_min=1)
_PORT = Text(5, pattern="[1-9][0-9]{0,4}")
_CHAIN_INFO = Group(
    {
        "industry": Text(4),
        "name": Text(30),
        "subChainType": Text(1, (SUB_CHAIN, BACKBONE_CHAIN)),
        "chainArch": Text(10, tuple(ARCHITECTURES)),
        "description": Text(1024, is_free=True),
        "gatewayNodeList": _GATEWAYS,
        "gatewayCrossList": _GATEWAYS,
    },
    {
        "genesisAccount": _BID,
        "genesisAmount": _AMOUNT,
        "unit": Text(32),
        "precision": _AMOUNT,
        "baseReserve": _AMOUNT,
        "feeGasPrice": _AMOUNT,
        "rewardInitValue": _AMOUNT,
        "genesisSlogan": Text(1024, is_free=True),
        "remark": Text(1024, is_free=True),
    },
)
_IP = Group({}, {"ip": Text(64, pattern="[0-9A-Fa-f.:]+"), "port": _PORT, "remark": _REMARK})
_URL = Group({}, {"address": Text(255), "remark": _REMARK})
_RESOLVERS = Group({}, {name: ListOf(kind, CHAIN_ENDPOINTS_MAX) for name, kind in (("ipv4", _IP), ("ipv6", _IP), ("url", _URL))})
FORM = Group(
    {
        "backboneNodeBid": _BID,
        "chainInfo": _CHAIN_INFO,
        "system": Group(
            {"visitUrl": Text(255), "publicStatus": Text(2, ("0", "1")), "ACSN": Text(4, pattern="[0-9a-z]{4}")},
            {},
        ),
        "resolveServiceList": _RESOLVERS,
    },
    {
        "contacts": Group({}, {"name": Text(20), "phoneNum": Text(12), "mail": Text(30)}),
        "permit": Group(
            {},
            {
                "permitNumber": Text(64),
                "filingNumber": Text(64),
                "authority": Text(128),
                "validUntil": Text(10, pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            },
        ),
    },
)


def read_form(value: Value) -> Form:
    """The form in a decoded value, without empty fields. Malformed(BAD_CHAIN_FORM), (BAD_DID) names what is wrong."""
    form = cleaned(value, FORM, BAD_CHAIN_FORM)
    assert isinstance(form, dict)
    if len(codec.encode(form)) > CHAIN_FORM_BYTES_MAX:
        raise Malformed(BAD_CHAIN_FORM, f"the form has more than {CHAIN_FORM_BYTES_MAX} bytes")
    for did in (operator_of(form), *gateways_of(form)):
        if parse_did(did).acsn is not None:
            raise Malformed(BAD_DID, f"{did} is of another chain: operator and gateways are DIDs of this one")
    for name in ("gatewayNodeList", "gatewayCrossList"):
        given = codec.as_array(_part(form, "chainInfo")[name])
        if len(dict.fromkeys(given)) != len(given):
            raise Malformed(BAD_CHAIN_FORM, f"chainInfo.{name} names a gateway twice")
    return form


def operator_of(form: Form) -> str:
    """The DID of who runs the chain."""
    return str(form["backboneNodeBid"])


def info(form: Form, name: str) -> str:
    """A text of the part `chainInfo`."""
    return str(_part(form, "chainInfo")[name])


def wish_of(form: Form) -> str:
    """The AC number that the operator would like."""
    return str(_part(form, "system")["ACSN"])


def gateways_of(form: Form) -> tuple[str, ...]:
    """The DIDs that report in the chain's name, those for data first, each once."""
    chain_info = _part(form, "chainInfo")
    lists = (codec.as_array(chain_info[name]) for name in ("gatewayNodeList", "gatewayCrossList"))
    return tuple(dict.fromkeys(str(one) for each in lists for one in each))


def endpoints_of(form: Form) -> tuple[str, ...]:
    """The bases of the resolvers' URLs, those by name first, each once. An address is asked over HTTP."""
    lists = _part(form, "resolveServiceList")
    rows = {name: [one for one in codec.as_array(each) if isinstance(one, dict)] for name, each in lists.items()}
    found = [str(one["address"]).rstrip("/") for one in rows.get("url", []) if "address" in one]
    for name, pattern in (("ipv4", "http://{}:{}"), ("ipv6", "http://[{}]:{}")):
        found += [pattern.format(str(one["ip"]).lower(), one["port"]) for one in rows.get(name, []) if {"ip", "port"} <= one.keys()]
    return tuple(dict.fromkeys(found))


def permit_of(form: Form) -> tuple[str, str, str, str]:
    """Permit number, filing number, authority and last day; empty where nothing is said."""
    permit = _part(form, "permit") if "permit" in form else {}
    number, filing, authority, until = (str(permit.get(name, "")) for name in ("permitNumber", "filingNumber", "authority", "validUntil"))
    return number, filing, authority, until


def new_form(
    *,
    name: str,
    operator: str,
    ac: str,
    endpoints: Sequence[str],
    gateways: Sequence[str] = (),
    industry: str = "I",
    description: str = "",
    permit: Mapping[str, str] | None = None,
) -> Form:
    """A form that says what must be said, of a chain of this program. Without `gateways` the operator reports itself."""
    reporting = tuple(gateways) or (operator,)
    form: Form = {
        "backboneNodeBid": operator,
        "chainInfo": {
            "industry": industry,
            "name": name,
            "subChainType": BACKBONE_CHAIN,
            "chainArch": OWN_ARCHITECTURE,
            "description": description or name,
            "gatewayNodeList": reporting,
            "gatewayCrossList": reporting,
        },
        "system": {"visitUrl": endpoints[0], "publicStatus": "0", "ACSN": ac},
        "resolveServiceList": {"url": tuple({"address": one} for one in endpoints)},
    }
    return form if permit is None else {**form, "permit": dict(permit)}


# JSON


def form_from_json(text: str) -> Form:
    """The form in a file, also as it was sent to Xinghuo's platform: below `params`. Numbers may stand for texts of digits."""
    if len(text.encode()) > 4 * CHAIN_FORM_BYTES_MAX:
        raise Malformed(BAD_CHAIN_FORM, f"the form has more than {4 * CHAIN_FORM_BYTES_MAX} bytes of JSON")
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed(BAD_CHAIN_FORM, f"the form is not JSON: {error}") from error
    if isinstance(document, dict) and "params" in document and document.keys() <= {"accessToken", "params"}:
        document = document["params"]
    return read_form(_as_texts(value_from_json(document), FORM))


def value_from_json(document: object, levels: int = CHAIN_FORM_LEVELS_MAX) -> Value:
    """A codec value of what `json.loads` made. Malformed(BAD_CHAIN_FORM) for fractions, and for what is too deep."""
    if levels == 0:
        raise Malformed(BAD_CHAIN_FORM, f"the JSON has more than {CHAIN_FORM_LEVELS_MAX} levels")
    if isinstance(document, list):
        return tuple(value_from_json(one, levels - 1) for one in document)
    if isinstance(document, dict):
        return {str(name): value_from_json(one, levels - 1) for name, one in document.items()}
    if document is None or isinstance(document, bool | int | str):
        return document
    raise Malformed(BAD_CHAIN_FORM, f"{document} is no text and no whole number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _as_texts(value: Value, kind: Kind) -> Value:
    """The value with whole numbers written as texts where texts belong; what does not fit is left for who checks it."""
    if isinstance(kind, Text) and type(value) is int:
        return str(value)
    if isinstance(kind, ListOf) and isinstance(value, tuple):
        return tuple(_as_texts(one, kind.item) for one in value)
    if isinstance(kind, Group) and isinstance(value, dict):
        known = {**kind.needed, **kind.optional}
        return {name: _as_texts(one, known[name]) if name in known else one for name, one in value.items()}
    return value


def _part(form: Form, name: str) -> Form:
    part = form[name]
    assert isinstance(part, dict), "read_form has seen to it"
    return part
