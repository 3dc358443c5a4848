"""The JSON schemas of answers about other chains, in the OpenAPI document."""

from chainnode.api.forms import Json
from chainnode.did.chainfeeds import FEEDS

_TEXT: Json = {"type": "string"}
_WHOLE: dict[str, Json] = {"type": "integer", "minimum": 0}
_FLAG: Json = {"type": "boolean"}
_HASH: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEX: Json = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_TIME: Json = {"type": "string", "format": "date-time"}
_BUNDLE: Json = {"$ref": "#/components/schemas/Bundle"}


def _object(members: dict[str, Json]) -> dict[str, Json]:
    """An object that has all of these members."""
    return {"type": "object", "required": [*members], "properties": members}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


_AS_OF: dict[str, Json] = {"as_of": _object({"height": _WHOLE, "time": _TIME})}
_HEALTH: Json = _object({"word": {"enum": ["ok", "late", "expired", "frozen", "own"]}, "meaning": _TEXT})
_SHORT: dict[str, Json] = {
    "ac": _TEXT,
    "did": _TEXT,
    "chain_id": _TEXT,
    "name": _TEXT,
    "operator": _TEXT,
    "status": {"enum": ["active", "suspended", "frozen", "revoked"]},
    "is_open": _FLAG,
    "closed_because": _or_null(_TEXT),
    "expires": _or_null(_TEXT),
    "client_id": _or_null(_TEXT),
    "lag_ms": _or_null(_WHOLE),
    "health": _HEALTH,
}
_VALIDATORS = _list(_object({"type": _TEXT, "key": _HEX, "power": _TEXT}))
_BEGINNING: dict[str, Json] = {"genesis_hash": _HASH, "genesis_time": _TIME, "trusting_period_ms": _WHOLE, "validators": _VALIDATORS}
_CLIENT = _object(
    {
        "id": _TEXT,
        "kind": _TEXT,
        "trust": {"enum": ["proof", "header-quorum", "attested"]},
        "updates": _WHOLE,
        "status": {"enum": ["active", "frozen", "expired"]},
        "reason": _or_null(_TEXT),
        "relayers": _list(_TEXT),
    }
)
_RECEIVED = _object({"height": _WHOLE, "time": _TIME})
_ANCHOR = _object({"height": _WHOLE, "time": _TIME, "received": _RECEIVED})
_PERMIT = _object({name: _or_null(_TEXT) for name in ("number", "filing", "authority", "valid_until")})
_APPEAL = _object(
    {
        "number": _WHOLE,
        "status": {"enum": ["open", "granted", "rejected"]},
        "text": _TEXT,
        "evidence": _or_null(_HASH),
        "by": _TEXT,
        "height": _WHOLE,
        "time": _TIME,
        "reason": _or_null(_TEXT),
        "answered_height": _or_null(_WHOLE),
        "key": _HEX,
    }
)
_FEED: dict[str, Json] = {
    "feed": {"enum": [*FEEDS]},
    "self-reported": _FLAG,
    "covered": _list(_WHOLE),
    "contradicted": _list(_WHOLE),
    "by": _TEXT,
    "height": _WHOLE,
    "time": _TIME,
    "digest": _HASH,
    "key": _HEX,
}
_CHAIN = _object(
    {
        **_AS_OF,
        **_SHORT,
        **_BEGINNING,
        "industry": _TEXT,
        "architecture": _TEXT,
        "gateways": _list(_TEXT),
        "endpoints": _list(_TEXT),
        "ttl_s": _WHOLE,
        "permit": _PERMIT,
        "application": _WHOLE,
        "reason": _TEXT,
        "version": _WHOLE,
        "created": _TIME,
        "changed": _object({"height": _WHOLE, "time": _TIME, "by": _TEXT}),
        "client": _or_null(_CLIENT),
        "anchor": _or_null(_ANCHOR),
        "appeals": _list(_APPEAL),
        "feeds": _list(_object(_FEED)),
        "key": _HEX,
    }
)
_APPLICATION: dict[str, Json] = {
    "number": _WHOLE,
    "status": {"enum": ["open", "admitted", "rejected", "withdrawn"]},
    "operator": _TEXT,
    "name": _TEXT,
    "wish": _TEXT,
    "ac": _or_null(_TEXT),
    "chain_id": _TEXT,
    "genesis_hash": _HASH,
    "ttl_s": _WHOLE,
    "evidence": _list(_HASH),
    "height": _WHOLE,
    "time": _TIME,
    "reason": _or_null(_TEXT),
    "by": _or_null(_TEXT),
    "decided_height": _or_null(_WHOLE),
    "key": _HEX,
}
_FORM: Json = {"type": "object", "description": "In the field names of Xinghuo's platform; docs/identity-chains.md."}

CHAIN_SCHEMAS: dict[str, Json] = {
    "Chains": _object({**_AS_OF, "chains": _list(_object(_SHORT)), "next": _or_null(_TEXT)}),
    "Chain": _CHAIN,
    "ChainOrBundle": {"anyOf": [{"$ref": "#/components/schemas/Chain"}, _BUNDLE]},
    "Feed": _object({**_AS_OF, **_FEED, "content": {"type": "object"}}),
    "FeedOrBundle": {"anyOf": [{"$ref": "#/components/schemas/Feed"}, _BUNDLE]},
    "Applications": _object({**_AS_OF, "applications": _list(_object(_APPLICATION)), "next": _or_null(_WHOLE)}),
    "Application": _object({**_AS_OF, **_APPLICATION, **_BEGINNING, "form": _FORM}),
    "ApplicationOrBundle": {"anyOf": [{"$ref": "#/components/schemas/Application"}, _BUNDLE]},
}
