"""A stand-in for Dify 1.16.1: one package that plays every container of Dify's own.

It answers as the real Dify answered when it was recorded (``tests/contract/recordings``), for every route
that the deploy uses. Where a docstring here says "recording", it means that file; "source" means Dify's
public code at tag 1.16.1.

``STANDIN_VERSION``, which the lab's images set, is the version that it says it is. 1.15.0 and 1.17.1 are
spoken to like 1.16.1, so that they can be deployed and upgraded; an older one only starts and says so.
"""

from __future__ import annotations

import os

VERSION = os.environ.get("STANDIN_VERSION") or "1.16.1"
DSL_VERSION = {"1.3.1": "0.2.0", "1.15.0": "0.6.0"}.get(VERSION, "0.7.0")
