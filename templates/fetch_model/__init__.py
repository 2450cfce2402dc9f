"""Download a model from ModelScope, believe nothing, and put it in place only when it is whole.

Put on model hosts as it is: it needs Python 3.11 (3.10 lacks ``hashlib.file_digest``), nothing else of this
project, and `modelscope` (1.38 or newer) in the environment that runs it, for downloads only.
"""


class FetchError(Exception):
    """The model cannot be put in place; the message says why and what to do."""
