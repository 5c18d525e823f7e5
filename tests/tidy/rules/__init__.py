"""The rules of tests/tidy: functions from a Source, or from the whole tree, to findings."""
