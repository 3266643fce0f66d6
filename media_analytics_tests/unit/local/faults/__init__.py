"""Unit tests of faults on purpose."""
