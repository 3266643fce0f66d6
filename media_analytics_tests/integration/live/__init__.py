"""Tests: SQL over topics as they fill, on a real Spark server."""
