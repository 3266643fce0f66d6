"""Tests: the graph, without any service."""
