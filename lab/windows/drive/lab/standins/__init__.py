"""Stand-ins of the Windows programs that the deploy calls, over one state file on drive C:.

There is none of PowerShell: nothing that runs in a deploy calls it (a test looks), because it takes seconds
to start. Only an administrator does, for the two scripts in ``bootstrap/``; here ``door.py`` stands for the
one that a scheduled task runs, and nothing for the other, whose results are in ``state.json`` from the
beginning.

They need nothing but Python's standard library, because they run inside the test hosts.
"""
