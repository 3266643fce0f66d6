"""Benchmarks: ratios against peers and limits in the same run. They never gate a test."""
