"""Tests: statements and comparisons of the warehouse, without a store."""
