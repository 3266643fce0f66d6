"""Assets of layer `results`: what analyses found."""
