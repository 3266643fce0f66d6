"""Tests: all tiers."""
