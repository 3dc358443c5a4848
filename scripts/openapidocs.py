"""Writes docs/api/openapi.json from the table of routes: scripts/openapidocs.py > docs/api/openapi.json."""

import sys

from chainnode.api.openapi import document_text
from chainnode.api.routes import ROUTES

if __name__ == "__main__":
    sys.stdout.write(document_text(ROUTES))
