"""The commands of the `worldsim` program: one file each, an options dataclass and a `run`."""
