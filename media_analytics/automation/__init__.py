"""When things happen: sensors, conditions, schedules and jobs."""
