"""Of this package, and of the library that it needs."""

VERSION = "0.1.0"
