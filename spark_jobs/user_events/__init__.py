"""The parts of the stream that fills bronze.user_events: positions, decoding, writing, maintenance."""
