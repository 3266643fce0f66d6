"""Tests: streaming processes on real services."""
