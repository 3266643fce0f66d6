"""Assets of layer `extracts`: files cut out of a store for one analysis."""
