"""Tests: sender."""
