"""`make test-kubernetes`: the chart on a real API server with its controllers; nodes only say what a node says."""
