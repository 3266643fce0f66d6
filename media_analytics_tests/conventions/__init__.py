"""Tests: conventions."""
