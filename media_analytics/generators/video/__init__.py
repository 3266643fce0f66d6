"""Source files of the video platform (system B), as its publishers' delivery networks would send them."""
