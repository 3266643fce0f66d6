"""What each table is: its inputs and its transform, one package per layer."""
