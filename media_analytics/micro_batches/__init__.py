"""Bronze tables that runs fill from Kafka, one bounded range of offsets after the other."""
