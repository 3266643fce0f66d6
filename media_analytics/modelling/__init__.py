"""Pure models: methods, features, training and evaluation. No dagster, no I/O, no clock."""
