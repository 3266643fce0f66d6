"""Tests: the graph on a real Spark server and real Delta tables."""
