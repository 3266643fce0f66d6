"""The enricher: `user.raw` to `user.latest`, exactly once."""
