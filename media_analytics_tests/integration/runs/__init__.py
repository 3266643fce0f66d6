"""Runs of a real Dagster: code server, page and daemon, on a real broker, registry and lake."""
