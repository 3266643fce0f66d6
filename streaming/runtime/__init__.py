"""What the long-running consumers share: health file, stop signal, Kafka clients, start positions."""
