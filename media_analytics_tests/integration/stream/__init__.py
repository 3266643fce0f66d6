"""Tests of the Spark stream on real Kafka, registry and Delta."""
