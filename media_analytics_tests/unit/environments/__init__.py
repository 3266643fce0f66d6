"""Tests: settings of the environments."""
