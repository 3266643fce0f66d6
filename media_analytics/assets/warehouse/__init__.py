"""Tables of the warehouse."""
