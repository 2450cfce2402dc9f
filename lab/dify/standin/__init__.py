"""A stand-in for Dify 1.16.1: one package that plays every container of Dify's own.

It answers as the real Dify answered when it was recorded (``tests/contract/recordings``), for every route
that the deploy uses. Where a docstring here says "recording", it means that file; "source" means Dify's
public code at tag 1.16.1.

``STANDIN_VERSION``, which the lab's images set, has it be another one. 1.15.0 and 1.17.1 are spoken to like
1.16.1; an older one signs in, keeps credentials and refuses as that one does, with the rest of its answers
those of 1.16.1.
"""

from __future__ import annotations

VERSION = "1.16.1"
