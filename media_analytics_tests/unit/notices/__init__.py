"""Tests: telling people."""
