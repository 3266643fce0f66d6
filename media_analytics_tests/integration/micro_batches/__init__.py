"""Micro-batches on a real broker and registry and real Delta tables."""
