"""Builders of valid values for tests."""
