"""Tests: the bundle of Databricks."""
