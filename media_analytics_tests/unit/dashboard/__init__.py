"""Unit tests of the dashboard and its guard."""
