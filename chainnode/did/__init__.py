"""DIDs and their documents: what a stranger needs to read, resolve and check them."""
