"""A home's data at one instant, copied and put back."""
