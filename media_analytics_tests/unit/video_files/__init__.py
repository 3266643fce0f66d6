"""Files of a landing folder, without any service."""
