"""Tests: the secured event log on real brokers."""
