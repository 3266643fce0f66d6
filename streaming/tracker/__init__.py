"""The browser tracker: the script that pages of a brand load, how it is served, and a demo article."""
