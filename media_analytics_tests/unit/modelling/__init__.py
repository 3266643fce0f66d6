"""Tests: modelling."""
