"""What the dashboard reads from the stores, at a bounded cost."""
