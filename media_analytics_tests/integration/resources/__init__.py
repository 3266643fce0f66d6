"""Tests of the connections to stores."""
