"""Tests: automation."""
