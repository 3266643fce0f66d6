"""What benchmarks reckon from what they saw."""
