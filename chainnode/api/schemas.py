"""The JSON schemas of bodies and answers in the OpenAPI document."""

from chainnode.api.chainschemas import CHAIN_SCHEMAS
from chainnode.api.forms import Json

_TEXT: Json = {"type": "string"}
_WHOLE: dict[str, Json] = {"type": "integer", "minimum": 0}
_FLAG: Json = {"type": "boolean"}
_HEX: Json = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_HASH: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ADDRESS: Json = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
_POWER: Json = {"type": "string", "pattern": "^[0-9]+$"}
_TIME: Json = {"type": "string", "format": "date-time"}
_ANY: Json = {"description": "A codec value: bytes as 0x and hexadecimal, whole numbers beyond 2^53 as texts."}


def reference(name: str) -> Json:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**members: Json) -> dict[str, Json]:
    """An object that has all of these members."""
    return {"type": "object", "required": [*members], "properties": members}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _binary(meaning: str) -> Json:
    return {"type": "string", "format": "binary", "description": meaning}


_OUTCOME = _object(
    tx_id=_or_null(_HASH),
    state={"enum": ["taken", "committed", "refused"]},
    code=_WHOLE,
    name=_TEXT,
    detail=_TEXT,
    height=_or_null(_WHOLE),
    index=_or_null(_WHOLE),
    result=_or_null(reference("Result")),
)
_TRANSACTION = _object(
    chain_id=_TEXT,
    signers=_list(_TEXT),
    nonce=_HEX,
    valid_until=_or_null(_TIME),
    calls=_list(_object(contract=_TEXT, method=_TEXT, arguments=_list(_ANY))),
    memo=_TEXT,
    signatures=_list(_object(suite=_TEXT, public_key=_HEX, signature=_HEX)),
)
_STATUS = _object(
    chain_id=_TEXT,
    genesis_hash=_HASH,
    node_id=_TEXT,
    moniker=_TEXT,
    version=_TEXT,
    height=_WHOLE,
    time=_TIME,
    block_hash=_HEX,
    app_hash=_HEX,
    first_height=_WHOLE,
    first_header_height=_WHOLE,
    validator=_or_null(_object(type=_TEXT, key=_HEX, power=_POWER)),
    peers=_WHOLE,
    is_catching_up=_FLAG,
    is_ready=_FLAG,
    reason=_TEXT,
)
_HEADER = _object(
    chain_id=_TEXT,
    version_app=_WHOLE,
    height=_WHOLE,
    time=_TIME,
    last_block_id=reference("BlockId"),
    last_commit_hash=_HEX,
    data_hash=_HEX,
    validators_hash=_HEX,
    next_validators_hash=_HEX,
    consensus_hash=_HEX,
    app_hash=_HEX,
    last_results_hash=_HEX,
    evidence_hash=_HEX,
    proposer_address=_ADDRESS,
)
_METADATA: Json = {"type": "object", "description": "Metadata of DID Resolution 1.0; `proof` has our bundle."}
_PROVED: dict[str, Json] = {
    "height": _WHOLE,
    "time": _TIME,
    "proof": _list(_object(type=_TEXT, bundle={"$ref": "#/components/schemas/Bundle"})),
}
_OPTION: Json = {"type": ["string", "integer", "boolean"]}
_FREEZE = _object(
    number=_WHOLE,
    kind=_TEXT,
    target=_TEXT,
    stage={"enum": ["proposed", "in-force", "lifted", "unsigned", "expired", "lapsed"]},
    ends=_TIME,
    reason=_TEXT,
    evidence=_HASH,
    by=_TEXT,
    height=_WHOLE,
    began_height=_WHOLE,
    signatures=_list(_object(by=_TEXT, height=_WHOLE)),
    opinions=_list(_object(by=_TEXT, verdict={"enum": ["lift", "uphold"]}, reason=_TEXT, height=_WHOLE)),
    appeals=_list(_object(by=_TEXT, text=_TEXT, evidence=_HEX, height=_WHOLE, answer_by=_TIME, answer=_or_null(_TEXT))),
    lifting=_or_null(_object(by=_TEXT, reason=_TEXT, height=_WHOLE, time=_TIME)),
    key=_HEX,
)
_PLACE = _object(vote={"enum": ["block", "nil"]}, address=_ADDRESS, time=_TIME, signature=_HEX)

SCHEMAS: dict[str, Json] = {
    "Problem": _object(type=_TEXT, title=_TEXT, status=_WHOLE, code=_TEXT, number=_WHOLE, detail=_TEXT),
    "Submission": {
        "type": "object",
        "required": ["transactions"],
        "additionalProperties": False,
        "properties": {
            "transactions": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {"type": "string", "description": "A signed transaction in hexadecimal or base64."},
            },
            "wait_ms": {**_WHOLE, "description": "As the query's, and it wins."},
        },
    },
    "SubmissionMsgpack": _binary("The canonical array of signed transactions, each as bytes."),
    "Outcomes": _object(transactions=_list(_OUTCOME)),
    "OutcomesMsgpack": _binary("An array of [tx_id, code, name, detail, height, index, result data], with nil for what there is not."),
    "Event": _object(contract=_TEXT, name=_TEXT, attributes={"type": "object"}),
    "Result": _object(code=_WHOLE, name=_TEXT, data=_HEX, value=_ANY, events=_list(reference("Event"))),
    "Committed": _object(tx_id=_HASH, height=_WHOLE, index=_WHOLE, raw=_HEX, transaction=_TRANSACTION, result=reference("Result")),
    "CommittedOrBundle": {"anyOf": [reference("Committed"), reference("Bundle")]},
    "State": _object(store=_TEXT, key=_HEX, height=_WHOLE, value=_or_null(_HEX), decoded=_ANY),
    "StateOrBundle": {"anyOf": [reference("State"), reference("Bundle")]},
    "Bundle": {
        **_object(
            version=_WHOLE, kind=_TEXT, chain_id=_TEXT, genesis_hash=_HASH, headers=_list({"type": "object"}), claim={"type": "object"}
        ),
        "description": "A proof bundle; its own schema is docs/proof-bundle.schema.json.",
    },
    "HeaderLinks": {
        **_object(chain_id=_TEXT, links=_list({"type": "object"})),
        "description": "Headers in the form that they have in bundles (docs/proof-bundle.schema.json).",
    },
    "BundleBytes": _binary("A proof bundle in its binary form (docs/proof-bundle.md), for those who ask for it in `Accept`."),
    "DidDocument": {"type": "object", "required": ["id"], "description": "A DID document, or a part of one. W3C DID Core 1.1."},
    "Resolution": _object(didDocument=_or_null(reference("DidDocument")), didResolutionMetadata=_METADATA, didDocumentMetadata=_METADATA),
    "Dereferencing": _object(
        content=_or_null(reference("DidDocument")),
        contentStream=_or_null(reference("DidDocument")),
        dereferencingMetadata=_METADATA,
        contentMetadata=_METADATA,
    ),
    "ResolutionOptions": {"type": "object", "description": "The options of the query, as members.", "additionalProperties": _OPTION},
    "RegistrationRequest": {
        "type": "object",
        "description": "jobId, options, secret, did, didDocument, didDocumentOperation: DIF DID Registration, section 6.",
    },
    "Registration": _object(
        jobId=_or_null(_TEXT),
        didState={"type": "object", "required": ["state"], "properties": {"state": {"enum": ["action", "wait", "finished", "failed"]}}},
        didRegistrationMetadata=_METADATA,
        didDocumentMetadata=_METADATA,
    ),
    "BidAnswer": {
        "type": "object",
        "required": ["errorCode", "message"],
        "properties": {"errorCode": {"type": "integer", "minimum": 0, "maximum": 10}, "message": _TEXT, "data": {"type": "object"}},
    },
    "Credential": {
        "type": "object",
        "required": ["@context", "type", "issuer", "credentialSubject", "proof"],
        "description": "A W3C credential 2.0; a `proof` of type chainnode-bundle holds the bundle that proves it.",
    },
    "IssueRequest": {
        "type": "object",
        "required": ["credential"],
        "additionalProperties": False,
        "properties": {"credential": {"type": "object"}, "options": {"type": "object", "properties": {"credentialId": _TEXT}}},
    },
    "Issued": _object(verifiableCredential=reference("Credential")),
    "VerifyRequest": {
        "type": "object",
        "required": ["verifiableCredential"],
        "properties": {"verifiableCredential": {"type": ["object", "string"]}, "options": {"type": "object"}},
    },
    "VerifyPresentationRequest": {
        "type": "object",
        "required": ["verifiablePresentation"],
        "properties": {
            "verifiablePresentation": {"type": ["object", "string"]},
            "options": {"type": "object", "properties": {"domain": _TEXT, "challenge": _TEXT}},
        },
    },
    "Verdict": {
        "type": "object",
        "required": ["verified", "checks", "warnings", "errors", "problemDetails", "form", "issuer", "keys"],
        "properties": {
            "verified": _FLAG,
            "checks": _list(_TEXT),
            "warnings": _list(_TEXT),
            "errors": _list(_TEXT),
            "problemDetails": _list(_object(type=_TEXT, title=_TEXT, code=_TEXT, detail=_TEXT)),
            "form": _TEXT,
            "issuer": _TEXT,
            "keys": _list(_object(verificationMethod=_TEXT, kind=_TEXT, publicKey=_HEX)),
            "credential": {"description": "What was sent."},
            "presentation": {"description": "What was sent."},
            "credentialResults": _list({"type": "object"}),
        },
    },
    "Issuer": _object(
        issuer=_or_null(
            _object(did=_TEXT, name=_TEXT, evidence=_HEX, is_admitted=_FLAG, by=_TEXT, height=_WHOLE, schemas=_WHOLE, lists=_WHOLE)
        ),
        **_PROVED,
    ),
    "Schema": _object(
        schema=_or_null(_object(issuer=_TEXT, schema=_TEXT, version=_WHOLE, digest=_HASH, height=_WHOLE, time=_TIME)), **_PROVED
    ),
    "Challenge": _object(domain=_TEXT, chainId=_TEXT, nonce=_TEXT, expiresMs=_WHOLE),
    "LoginAnswer": _object(challenge=reference("Challenge"), did=_TEXT, verificationMethod=_TEXT, signature=_HEX),
    "Login": _object(did=_TEXT, verificationMethod=_TEXT, kind=_TEXT, publicKey=_HEX),
    "BlockId": _object(hash=_HEX, parts=_object(total=_WHOLE, hash=_HEX)),
    "Header": _HEADER,
    "Commit": _object(height=_WHOLE, round=_WHOLE, block_id=reference("BlockId"), signatures=_list(_or_null(_PLACE))),
    "SignedHeader": _object(header=reference("Header"), commit=reference("Commit")),
    "Block": _object(
        block_id=reference("BlockId"), header=reference("Header"), bytes=_WHOLE, batches=_list(_HASH), transactions=_list(_HEX)
    ),
    "Results": _object(height=_WHOLE, results=_list(reference("Result"))),
    "Validators": _object(
        height=_WHOLE, power_total=_POWER, validators=_list(_object(address=_ADDRESS, type=_TEXT, key=_HEX, power=_POWER))
    ),
    "Status": _STATUS,
    "Freezes": _object(height=_WHOLE, time=_TIME, count=_WHOLE, freezes=_list(_FREEZE)),
    "Peers": _object(peers=_list(_object(node_id=_TEXT, moniker=_TEXT, address=_TEXT, height=_WHOLE, is_outbound=_FLAG))),
    "Genesis": {"type": "object", "description": "The genesis file."},
    "EventStream": {
        "type": "string",
        "description": "Frames of `id: height-index` and `data:` with height, time, tx_index, tx_id, index, contract, name and attributes.",
    },
    "JsonRpcCall": {"description": "A JSON-RPC 2.0 call, or a list of calls.", "type": ["object", "array"]},
    "CometAnswer": {"description": "A JSON-RPC 2.0 answer in CometBFT's form.", "type": ["object", "array"]},
    "OpenApi": {"type": "object", "description": "This document."},
    "Text": _TEXT,
    **CHAIN_SCHEMAS,
}
