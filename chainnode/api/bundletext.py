"""Bundles as JSON, with the text of their headers kept: most who ask mean the same height, and the prover gives them the same headers."""

from chainnode.bundlejson import bundle_to_json, headers_to_json
from chainnode.types.bundle import Bundle, LightBlock
from chainnode.types.limits import PATHS_KEPT_MAX


class BundleTexts:
    """Makes texts of bundles. Any thread may ask; at worst two make the same text."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[LightBlock, ...], str]] = {}  # by the identity of the headers, which are kept with it

    def text_of(self, bundle: Bundle) -> str:
        """As `bundle_to_json`."""
        headers = bundle.headers
        kept = self._kept.get(id(headers))
        if kept is None or kept[0] is not headers:
            kept = headers, headers_to_json(headers)
            if len(self._kept) >= PATHS_KEPT_MAX:
                self._kept.clear()
            self._kept[id(headers)] = kept
        return bundle_to_json(bundle, kept[1])


text_of = BundleTexts().text_of  # one of each process
