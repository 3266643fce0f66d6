"""Tests: workflows of CI and the script they share."""
