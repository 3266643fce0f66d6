"""The HTTP collector: reader events in, acknowledged by Kafka, or an answer that names the field and the rule."""
