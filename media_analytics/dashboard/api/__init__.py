"""The dashboard's API: typed answers over HTTP."""
