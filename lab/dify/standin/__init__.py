"""A stand-in for Dify 1.16.1: one package that plays every container of Dify's own.

It answers as the real Dify answered when it was recorded (``tests/contract/recordings``), for every route
that the deploy uses. Where a docstring here says "recording", it means that file; "source" means Dify's
public code at tag 1.16.1.

``STANDIN_VERSION``, which the lab's images set, has it be another one. 1.17.1 is spoken to like 1.16.1. An
older one does and refuses what that one did: 1.3.1, 1.9.2 and 1.12.1 as recorded, those between as their
source says. Its answers may have fields that came later.
"""

from __future__ import annotations

VERSION = "1.16.1"
