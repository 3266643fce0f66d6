"""Topic contracts, one module per domain."""
