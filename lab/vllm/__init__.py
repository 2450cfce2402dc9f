"""The CPU build of vLLM that the test hosts install: its pins and the one wheel that no registry has."""
