"""Generated parts of the Helm chart: what the platform's own model says, written where Helm can read it.

Belongs here: contracts, settings and environments as files of `helm/media-analytics`. Does not belong here: templates
and values that a person chooses (the chart itself), anything that a running process needs.
"""
