-- Beside `dagster`, which the image makes.
CREATE DATABASE registry;
