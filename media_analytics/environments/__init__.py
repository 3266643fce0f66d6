"""One base and one overlay file for each environment. Values here are never secret."""
