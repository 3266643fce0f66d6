"""Cleaned, typed, deduplicated tables."""
