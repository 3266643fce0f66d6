"""Session fixtures of real services, each on free ports in a temporary home. Nobody's running stack is touched."""
