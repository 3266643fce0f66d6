"""Tests: the ClickHouse gateway without chDB."""
