"""Measurements behind `worldsim bench`: one file a subject, each returns a `Report`."""
