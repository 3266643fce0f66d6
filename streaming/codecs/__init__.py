"""Codecs shared by the streaming processes: generated Avro code, Confluent framing, registry client."""
