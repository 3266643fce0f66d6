"""Tests of the Spark transforms on the real Spark server."""
