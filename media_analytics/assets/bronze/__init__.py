"""Events as received, written by the stream."""
