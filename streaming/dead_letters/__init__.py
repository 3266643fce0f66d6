"""Dead letters: inputs that could not become an event, kept with their bytes, reason and place."""
