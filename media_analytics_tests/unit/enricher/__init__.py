"""Tests: enricher."""
