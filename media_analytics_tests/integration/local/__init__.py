"""Integration tests of the embedded stack."""
