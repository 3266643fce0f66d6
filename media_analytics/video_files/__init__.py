"""From files of a landing folder to the tables of the video marts, dates that changed only."""
