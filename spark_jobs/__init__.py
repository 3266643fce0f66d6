"""Spark code: pure transforms, thin job entry points, session and table access."""
