"""The law of the chain: native system contracts, pure functions over a state view."""
