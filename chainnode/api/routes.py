"""The table of all routes: what the server serves and the OpenAPI document describes."""

from chainnode.api import (
    admission,
    anchors,
    bidtext,
    comet,
    cometserver,
    events,
    freezes,
    ledgerpages,
    pages,
    probes,
    proofs,
    registrar,
    resolution,
    submissions,
    webdids,
)
from chainnode.api.chainroutes import CHAIN_ROUTES
from chainnode.api.credentialroutes import CREDENTIAL_ROUTES
from chainnode.api.didmedia import DEREFERENCING, DID, RESOLUTION
from chainnode.api.routeforms import (
    EVENT_STREAM,
    HASH,
    HEIGHT,
    JSON,
    MIN_HEIGHT,
    MSGPACK,
    TEXT,
    WAIT,
    WHOLE,
    WORD,
    Handle,
    Parameter,
    Route,
    choice,
    text,
)
from chainnode.bundlebytes import BUNDLE_MEDIA

_LOG_HEIGHT = Parameter("height", "query", "In the log after this height; without it, the last that can be proved.", WHOLE)

_NATIVE: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/transactions",
        "submitTransactions",
        "transactions",
        "Submit 1 to 1000 signed transactions; each has an outcome of its own, in order.",
        admission.with_room(submissions.submit),
        {JSON: "Outcomes", MSGPACK: "OutcomesMsgpack"},
        (WAIT,),
        {JSON: "Submission", MSGPACK: "SubmissionMsgpack"},
        (400, 413, 415, 503),
    ),
    Route(
        "GET",
        "/v1/transactions/{tx_id}",
        "getTransaction",
        "transactions",
        "A committed transaction and its result, or the bundle that proves both.",
        submissions.transaction,
        {JSON: "CommittedOrBundle", BUNDLE_MEDIA: "BundleBytes"},
        (
            Parameter("tx_id", "path", "SHA-256 of the transaction's body.", HASH),
            choice("proof", "With `bundle`, the proof for a stranger.", "none", "bundle"),
            Parameter("header", "query", "The header that the bundle hangs on: of the block, or, with the result, the next one.", WHOLE),
            WAIT,
        ),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/state/{store}/{key}",
        "getState",
        "state",
        "The value of a state key, or its absence, with proof.",
        proofs.state,
        {JSON: "StateOrBundle", BUNDLE_MEDIA: "BundleBytes"},
        (
            Parameter("store", "path", "A store, which is a contract's name.", WORD),
            Parameter("key", "path", "The key in hexadecimal.", {"type": "string", "pattern": "^([0-9a-fA-F]{2}){1,64}$"}),
            choice("proof", "With `none`, only what the node says.", "bundle", "none"),
            Parameter("height", "query", "The state after this height; without it, the last that can be proved.", WHOLE),
            MIN_HEIGHT,
            WAIT,
        ),
        problems=(400, 404, 410, 503),
    ),
    Route(
        "GET",
        "/v1/freezes",
        "getFreezes",
        "state",
        "Orders of supervision, the newest first: what is frozen, why, and what was said against it.",
        freezes.freezes,
        {JSON: "Freezes"},
        (
            Parameter("before", "query", "Orders with lower numbers than this alone.", WHOLE),
            Parameter("limit", "query", "How many, at most 20.", WHOLE),
            Parameter("height", "query", "As of the state after this height; without it, the last that can be proved.", WHOLE),
            MIN_HEIGHT,
            WAIT,
        ),
        problems=(400, 503),
    ),
    Route(
        "GET",
        "/v1/evidence/{digest}",
        "getEvidence",
        "state",
        "The first evidence record of a digest, with proof.",
        proofs.evidence_by_digest,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (Parameter("digest", "path", "The digest that was put on record.", HASH), _LOG_HEIGHT, MIN_HEIGHT, WAIT),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/evidence/records/{index}",
        "getEvidenceRecord",
        "state",
        "An evidence record by its place in the log, with proof.",
        proofs.evidence_by_index,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (Parameter("index", "path", "The record's place, from 0.", WHOLE), _LOG_HEIGHT, MIN_HEIGHT, WAIT),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/blocks/{height}",
        "getBlock",
        "blocks",
        "A block: its header, its batches and its transactions.",
        ledgerpages.block,
        {JSON: "Block"},
        (HEIGHT, choice("transactions", "Their ids, or their bytes.", "ids", "raw")),
        problems=(400, 404, 410),
    ),
    Route(
        "GET",
        "/v1/blocks/{height}/results",
        "getResults",
        "blocks",
        "The results of a block's transactions in order, with their events.",
        ledgerpages.results,
        {JSON: "Results"},
        (HEIGHT,),
        problems=(400, 404, 410),
    ),
    Route(
        "GET",
        "/v1/commits/{height}",
        "getCommit",
        "blocks",
        "A header with the commit for it.",
        ledgerpages.commit,
        {JSON: "SignedHeader"},
        (HEIGHT,),
        problems=(400, 404),
    ),
    Route(
        "GET",
        "/v1/validators/{height}",
        "getValidators",
        "blocks",
        "The validators of a height in their order.",
        ledgerpages.validators,
        {JSON: "Validators"},
        (HEIGHT,),
        problems=(400, 404),
    ),
    Route(
        "GET",
        "/v1/headers/{height}/bundle",
        "getHeaderBundle",
        "blocks",
        "The way of trust from genesis to a header.",
        proofs.header,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (HEIGHT,),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/headers/{height}/links",
        "getHeaderLinks",
        "blocks",
        "The headers from one on downwards, each of which names the hash of the next.",
        proofs.links,
        {JSON: "HeaderLinks"},
        (HEIGHT, Parameter("to", "query", "The links lead down to the header of this height: from 1 to 128 of them. Required.", WHOLE)),
        problems=(400, 503),
    ),
    Route(
        "GET",
        "/v1/chains/{ac}/anchor",
        "getAnchor",
        "state",
        "The bundle that proves which header of another chain this one holds.",
        anchors.anchor,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (
            text("ac", "path", "The AC number of the chain."),
            Parameter("height", "query", "Its header of this height, or the next one above that is held; without it, the newest.", WHOLE),
            MIN_HEIGHT,
            WAIT,
        ),
        problems=(400, 404, 422, 503),
    ),
    Route(
        "GET",
        "/v1/events",
        "streamEvents",
        "events",
        "Events of contracts as server-sent events, from the next block on or from after a given place.",
        events.events,
        {EVENT_STREAM: "EventStream"},
        (
            Parameter("after", "query", "The id of the last event that was seen: `height-index`, or `height`.", WORD),
            Parameter("Last-Event-ID", "header", "As `after`, and it wins; browsers send it when they reconnect.", WORD),
            Parameter("contract", "query", "Only events of this contract.", WORD),
            Parameter("name", "query", "Only events of this name.", WORD),
        ),
        problems=(400, 410, 503),
    ),
    Route("GET", "/v1/status", "getStatus", "node", "Who this node is and where it stands.", ledgerpages.status, {JSON: "Status"}),
    Route("GET", "/v1/peers", "getPeers", "node", "The connected peers.", ledgerpages.peers, {JSON: "Peers"}),
    Route("GET", "/v1/genesis", "getGenesis", "node", "The genesis file.", ledgerpages.genesis, {JSON: "Genesis"}),
    Route("GET", "/metrics", "getMetrics", "node", "The numbers of the node for Prometheus.", probes.metrics, {TEXT: "Text"}),
    Route("GET", "/livez", "getLiveness", "node", "The process answers.", probes.livez, {TEXT: "Text"}),
    Route("GET", "/readyz", "getReadiness", "node", "The node serves fresh answers.", probes.readyz, {TEXT: "Text"}, problems=(503,)),
    Route("HEAD", "/livez", "headLiveness", "node", "The same without a body, for balancers.", probes.livez, {}),
    Route("HEAD", "/readyz", "headReadiness", "node", "The same without a body, for balancers.", probes.readyz, {}, problems=(503,)),
)

_RESOLUTIONS = {RESOLUTION: "Resolution", DEREFERENCING: "Dereferencing", DID: "DidDocument"}
_RESOLUTION_PARAMETERS = (
    text("did", "path", "A DID or DID URL; percent-encoded as a whole when there are options."),
    Parameter("versionId", "query", "The version with this number.", WHOLE),
    Parameter(
        "versionTime", "query", "The version in force at this time, in UTC and whole seconds.", {"type": "string", "format": "date-time"}
    ),
    text("service", "query", "The service with this id, or fragment of an id."),
    text("serviceType", "query", "The services of this type."),
    text("relativeRef", "query", "A place below the service."),
    text("verificationRelationship", "query", "The purpose that the verification method must serve."),
    choice("expandRelativeUrls", "Whether relative DID URLs of the document are made absolute.", "false", "true"),
    choice("noCache", "With `true`, another chain is asked again before what it said has aged.", "false", "true"),
    MIN_HEIGHT,
    WAIT,
)
_RESOLUTION_STATUSES = (303, 400, 404, 406, 410, 500, 501)
_BID_PATTERN = "{bid:did:bid:[^/]+}"


def _bid_route(path: str, name: str, summary: str, handle: Handle, *parameters: Parameter) -> Route:
    """A path of Xinghuo's text resolver."""
    verify = choice("verify", "With `true`, the answer carries the proof.", "false", "true")
    parameters = (text("bid", "path", "A did:bid."), *parameters, verify)
    return Route("GET", path, name, "bid", summary, handle, {JSON: "BidAnswer"}, parameters, pattern=path.replace("{bid}", _BID_PATTERN))


def _registrar_route(path: str, name: str, summary: str, handle: Handle) -> Route:
    """A path of DIF's DID registration."""
    return Route(
        "POST", path, name, "did", summary, handle, {JSON: "Registration"}, (), {JSON: "RegistrationRequest"}, (413, 503), (201, 400)
    )


_VERSION = (
    Parameter("version_id", "query", "The version with this number.", WHOLE),
    Parameter(
        "version_time",
        "query",
        "The version in force at this time, in UTC and whole seconds.",
        {"type": "string", "format": "date-time"},
    ),
)


_IDENTITIES: tuple[Route, ...] = (
    Route(
        "GET",
        "/1.0/identifiers/{did}",
        "resolve",
        "did",
        "A DID document or a part of one, by DID Resolution 1.0; the Accept header chooses the form.",
        resolution.by_get,
        _RESOLUTIONS,
        _RESOLUTION_PARAMETERS,
        problems=(503,),
        others=_RESOLUTION_STATUSES,
        pattern="/1.0/identifiers/{did:.*}",
    ),
    Route(
        "POST",
        "/1.0/identifiers/{did}",
        "resolveByPost",
        "did",
        "The same with the options in the body.",
        resolution.by_post,
        _RESOLUTIONS,
        _RESOLUTION_PARAMETERS[:1],
        {JSON: "ResolutionOptions"},
        (503,),
        _RESOLUTION_STATUSES,
        "/1.0/identifiers/{did:.*}",
    ),
    Route(
        "GET",
        "/v1/identities/{did}",
        "getIdentity",
        "did",
        "The bundle that proves a DID's record, or that there is none.",
        proofs.identity,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (
            text("did", "path", "A did:bid."),
            *_VERSION,
            MIN_HEIGHT,
            WAIT,
        ),
        problems=(400, 422, 503),
    ),
    Route(
        "GET",
        "/v1/chains/{ac}/identities/{did}",
        "getIdentityElsewhere",
        "did",
        "The bundle with which another chain proves a DID's record, or that there is none.",
        proofs.identity_elsewhere,
        {JSON: "Bundle", BUNDLE_MEDIA: "BundleBytes"},
        (text("ac", "path", "The AC number of the chain."), text("did", "path", "A did:bid with this AC number."), *_VERSION),
        problems=(400, 404, 422, 503),
    ),
    Route(
        "GET",
        "/.well-known/did.json",
        "getWebDid",
        "did",
        "The did:web document of the host, if a setting names one.",
        webdids.of_host,
        {DID: "DidDocument"},
        problems=(404, 410, 503),
    ),
    Route(
        "GET",
        "/{tenant}/did.json",
        "getTenantWebDid",
        "did",
        "The did:web document of a DID of the ledger.",
        webdids.of_tenant,
        {DID: "DidDocument"},
        (text("tenant", "path", "What stands behind `did:bid:`, with `/` for `:`."),),
        problems=(400, 404, 410, 503),
        pattern="/{tenant:(?:[0-9a-z]{4}/)?[0-9A-Za-z]{22,44}}/did.json",
    ),
    _registrar_route("/1.0/create", "createDid", "Register a DID with keys that stay with the client.", registrar.create),
    _registrar_route("/1.0/update", "updateDid", "Replace the document of a DID.", registrar.update),
    _registrar_route("/1.0/deactivate", "deactivateDid", "End a DID for ever.", registrar.deactivate),
    _bid_route("/{bid}", "getBid", "The BID document.", bidtext.document),
    _bid_route("/public/resolve/{bid}", "getBidPublic", "The same, where a super node's platform has it.", bidtext.document),
    _bid_route("/{bid}/public-keys", "getBidKeys", "Its public keys.", bidtext.public_keys),
    _bid_route(
        "/{bid}/public-keys/{key}",
        "getBidKey",
        "One of them.",
        bidtext.public_key,
        text("key", "path", "The id of the key, or the fragment of it."),
    ),
    _bid_route("/{bid}/attributes", "getBidAttributes", "Its attributes.", bidtext.attributes),
    _bid_route("/{bid}/acsns", "getBidAcsns", "The chains on which it is known too.", bidtext.acsns),
    _bid_route("/{bid}/verifiableCredentials", "getBidCredentials", "The credentials that it names.", bidtext.credentials),
    _bid_route(
        "/{bid}/services",
        "getBidServices",
        "Its services, or one of them.",
        bidtext.services,
        text("id", "query", "The id of the service, or the fragment of it."),
    ),
)

_COMET_MEANINGS = {
    "path": "/store/<store>/key.",
    "data": "The key: 0x and hexadecimal, or a text between quotation marks.",
    "height": "A height, the last when it is not given.",
    "prove": "Whether to prove it: state by ICS-23, a transaction by its way to data_hash.",
    "page": "From 1.",
    "per_page": "At most 100.",
    "minHeight": "The lowest height.",
    "maxHeight": "The highest height.",
    "hash": "The hash of a block, or the id of a transaction, in hexadecimal.",
    "tx": "A signed transaction in base64, or in hexadecimal after 0x.",
    "query": "`tx.hash = '…'`, `tx.height = …`, or both with AND.",
    "order_by": "`asc` or `desc`.",
}
_COMET: tuple[Route, ...] = (
    *(
        Route(
            "GET",
            f"/{name}",
            f"comet_{name}",
            "comet",
            f"CometBFT's `{name}`.",
            cometserver.by_path,
            {JSON: "CometAnswer"},
            tuple(Parameter(one, "query", _COMET_MEANINGS[one], {"type": "string"}) for one in names),
        )
        for name, (_, names) in comet.METHODS.items()
    ),
    Route(
        "POST",
        "/",
        "cometJsonRpc",
        "comet",
        "The same methods by JSON-RPC 2.0, one call or several.",
        cometserver.by_post,
        {JSON: "CometAnswer"},
        body={JSON: "JsonRpcCall"},
        problems=(413,),
    ),
    Route(
        "GET",
        "/websocket",
        "cometSocket",
        "comet",
        "The same methods by JSON-RPC 2.0 over a websocket.",
        cometserver.by_socket,
        {JSON: "CometAnswer"},
        problems=(503,),
    ),
)
_PAGES: tuple[Route, ...] = (
    Route("GET", "/", "getIndex", "node", "A list of all paths.", pages.index, {TEXT: "Text"}),
    Route("GET", "/openapi.json", "getOpenApi", "node", "The OpenAPI document of this interface.", pages.openapi, {JSON: "OpenApi"}),
)
ROUTES = (*_NATIVE, *CHAIN_ROUTES, *_IDENTITIES, *CREDENTIAL_ROUTES, *_PAGES, *_COMET)
