#!/usr/bin/env python3
"""What the scheduled task runs in the place of door.ps1; the code is in C:\\lab\\standins\\door.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))

from standins import door

sys.exit(door.main())
