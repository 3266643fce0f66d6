"""The open data platform for digital publishers, as Dagster assets."""
