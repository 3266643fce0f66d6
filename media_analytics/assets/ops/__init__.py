"""Tables by which the platform proves and runs itself."""
