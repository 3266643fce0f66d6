"""Business aggregates."""
