"""Dead letters from the collector to the shelf, and back into their topics."""
