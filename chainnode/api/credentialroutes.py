"""The routes of credentials and of login, for the table."""

from chainnode.api import credentials, logins
from chainnode.api.routeforms import JSON, MIN_HEIGHT, WAIT, WHOLE, Handle, Parameter, Route, choice, text

_HEIGHT = Parameter("height", "query", "After this block; without it, the last that can be proved.", WHOLE)


def _verify_route(path: str, name: str, summary: str, handle: Handle, body: str) -> Route:
    return Route(
        "POST", path, name, "credentials", summary, handle, {JSON: "Verdict"}, (), {JSON: body}, problems=(413, 415, 503), others=(400,)
    )


def _ledger_route(path: str, name: str, summary: str, handle: Handle, answer: dict[str, str], *parameters: Parameter) -> Route:
    every = (*parameters, _HEIGHT, MIN_HEIGHT, WAIT)
    return Route("GET", path, name, "credentials", summary, handle, answer, every, problems=(400, 404, 410, 422, 503))


_CREDENTIAL = {JSON: "Credential", credentials.VC: "Credential"}
CREDENTIAL_ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/vc/credentials/issue",
        "issueCredential",
        "credentials",
        "Sign a credential with the operator's key; the answer has the status 201.",
        credentials.issue,
        {JSON: "Issued"},
        (Parameter("Authorization", "header", "`Bearer` and the token of the node's settings.", {"type": "string"}),),
        {JSON: "IssueRequest"},
        problems=(400, 401, 413, 415, 422, 503),
        others=(201,),
    ),
    _verify_route(
        "/vc/credentials/verify", "verifyCredential", "Whether a credential counts, and why.", credentials.verify, "VerifyRequest"
    ),
    _verify_route(
        "/vc/presentations/verify",
        "verifyPresentation",
        "Whether a presentation counts, and each credential in it.",
        credentials.verify_presentation,
        "VerifyPresentationRequest",
    ),
    _ledger_route(
        "/v1/credentials/lists/{issuer}/{list}",
        "getStatusList",
        "A status list as a credential, signed by its issuer or proved by the ledger.",
        credentials.status_list,
        _CREDENTIAL,
        text("issuer", "path", "The DID of the issuer."),
        text("list", "path", "The id of the list."),
        choice(
            "proof",
            "`bundle`: the ledger's; `signature`: the issuer's; `any`: that one if the node has the key.",
            "any",
            "bundle",
            "signature",
        ),
        text("chain", "query", "The chain, as URLs of lists name it."),
    ),
    _ledger_route(
        "/v1/credentials/issuers/{did}",
        "getIssuer",
        "Whether a DID is admitted as an issuer, with proof.",
        credentials.issuer,
        {JSON: "Issuer"},
        text("did", "path", "A did:bid."),
    ),
    _ledger_route(
        "/v1/credentials/schemas/{issuer}/{schema}",
        "getSchema",
        "The digest of a version of a schema, with proof.",
        credentials.schema,
        {JSON: "Schema"},
        text("issuer", "path", "The DID of the issuer."),
        text("schema", "path", "The id of the schema."),
        Parameter("version", "query", "The version; without it the newest, which a second bundle shows.", WHOLE),
    ),
    _ledger_route(
        "/v1/roles/{did}/credential",
        "getRoleCredential",
        "The credential that a DID holds a role, with the bundle that proves it.",
        credentials.role,
        _CREDENTIAL,
        text("did", "path", "A did:bid."),
        text("role", "query", "The role, as `member`."),
    ),
    Route(
        "GET",
        "/v1/login/challenge",
        "getLoginChallenge",
        "login",
        "What the holder of a DID signs to come in to an application.",
        logins.challenge,
        {JSON: "Challenge"},
        (text("domain", "query", "The application, one of the node's settings."),),
        problems=(400, 422),
    ),
    Route(
        "POST",
        "/v1/login",
        "logIn",
        "login",
        "The signed challenge: who has come in, once.",
        logins.login,
        {JSON: "Login"},
        (),
        {JSON: "LoginAnswer"},
        problems=(400, 413, 422, 503),
    ),
)
