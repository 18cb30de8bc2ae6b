"""The program: where it is, how it is started and stopped, and how arrays get to it."""
