"""The routes about other chains."""

from chainnode.api import chains
from chainnode.api.routeforms import JSON, MIN_HEIGHT, PROOF, WAIT, WHOLE, Parameter, Route, text
from chainnode.bundlebytes import BUNDLE_MEDIA
from chainnode.types.limits import CHAIN_PAGE_MAX

_AC = text("ac", "path", "The AC number of the chain.")
_LIMIT = Parameter("limit", "query", "How many at most.", {"type": "integer", "minimum": 0, "maximum": CHAIN_PAGE_MAX})

CHAIN_ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/chains",
        "getChains",
        "chains",
        "The chains with an AC number, by that number.",
        chains.listed,
        {JSON: "Chains"},
        (text("after", "query", "The AC number of the last one that was seen."), _LIMIT, MIN_HEIGHT, WAIT),
        problems=(400, 503),
    ),
    Route(
        "GET",
        "/v1/chains/{ac}",
        "getChain",
        "chains",
        "A chain: its record, how far it is verified here, its appeals and feeds; or the bundle that proves the record.",
        chains.one,
        {JSON: "ChainOrBundle", BUNDLE_MEDIA: "BundleBytes"},
        (_AC, PROOF, MIN_HEIGHT, WAIT),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/chains/{ac}/feeds/{feed}",
        "getFeed",
        "chains",
        "What a chain reported of itself last, and what a verified header covers of it.",
        chains.feed,
        {JSON: "FeedOrBundle", BUNDLE_MEDIA: "BundleBytes"},
        (_AC, text("feed", "path", "status, nodes, running, blocks, transactions or contracts."), PROOF, MIN_HEIGHT, WAIT),
        problems=(400, 404, 503),
    ),
    Route(
        "GET",
        "/v1/applications",
        "getApplications",
        "chains",
        "Applications for AC numbers, the newest first.",
        chains.applications,
        {JSON: "Applications"},
        (Parameter("before", "query", "Those with lower numbers than this alone.", WHOLE), _LIMIT, MIN_HEIGHT, WAIT),
        problems=(400, 503),
    ),
    Route(
        "GET",
        "/v1/applications/{number}",
        "getApplication",
        "chains",
        "An application with its form and what became of it; or the bundle that proves it.",
        chains.application,
        {JSON: "ApplicationOrBundle", BUNDLE_MEDIA: "BundleBytes"},
        (Parameter("number", "path", "The number of the application.", WHOLE), PROOF, MIN_HEIGHT, WAIT),
        problems=(400, 404, 503),
    ),
)
