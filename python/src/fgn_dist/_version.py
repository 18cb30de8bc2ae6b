"""The version of this package, and of the program that it carries."""

__version__ = "0.2.0"
