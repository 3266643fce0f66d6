"""Tests: sinks."""
