"""Which form of an answer about a DID a client asks for by its Accept header (RFC 9110, section 12.5.1)."""

from chainnode.api.accepting import Range, ranges

RESOLUTION = "application/did-resolution"
DEREFERENCING = "application/did-url-dereferencing"
DID = "application/did"
URI_LIST = "text/uri-list"
RESOLUTION_OLD = 'application/ld+json;profile="https://w3id.org/did-resolution"'  # what Universal Resolvers of 2021 to 2025 ask for
DEREFERENCING_OLD = 'application/ld+json;profile="https://w3id.org/did-url-dereferencing"'
DOCUMENTS = (DID, "application/did+ld+json", "application/did+json", "application/ld+json", "application/json")
ANY = "*/*"


def chosen(accept: str | None) -> str | None:
    """The form that the client likes best of those that there are: one of the above, ANY when all are alike, None when it takes none."""
    if accept is None or not accept.strip():
        return ANY
    for one in sorted(ranges(accept), key=lambda one: -one.weight):
        found = _form_of(one)
        if one.weight and found is not None:
            return found
    return None


def _form_of(one: Range) -> str | None:
    if one.media in (ANY, "application/*"):
        return ANY
    if one.media == "application/ld+json":
        for old in (RESOLUTION_OLD, DEREFERENCING_OLD):
            if old.endswith(f'profile="{one.profile}"'):
                return old
    return one.media if one.media in (RESOLUTION, DEREFERENCING, URI_LIST, *DOCUMENTS) else None
