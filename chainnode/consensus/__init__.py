"""Tendermint consensus (arXiv:1807.04938) as a pure machine: `core.Core.step(input) -> effects`."""
