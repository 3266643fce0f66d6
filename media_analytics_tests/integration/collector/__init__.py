"""The collector against the real Kafka and schema registry."""
