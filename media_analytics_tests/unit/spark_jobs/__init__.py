"""Tests of what Spark jobs decide without Spark."""
