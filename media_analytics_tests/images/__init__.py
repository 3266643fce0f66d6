"""`make images-test`: the four images, built by their recipe and started as they run in a cluster."""
