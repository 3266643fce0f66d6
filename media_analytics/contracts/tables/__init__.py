"""Table contracts, one module per domain."""
