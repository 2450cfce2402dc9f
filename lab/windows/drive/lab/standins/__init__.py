"""Stand-ins of the Windows programs that the deploy calls, over one state file on drive C:.

They need nothing but Python's standard library, because they run inside the test hosts.
"""
