"""Tests: the warehouse on the real gateway, with Delta tables that deltalake writes."""
