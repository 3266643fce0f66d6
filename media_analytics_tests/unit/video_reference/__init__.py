"""Tests of the reference itself: hand-computed cases."""
