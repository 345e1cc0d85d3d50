"""A lock around imports of libraries that import torch's compiler."""

from __future__ import annotations

import threading
from typing import Final

TORCH_IMPORTS: Final = threading.RLock()
"""Hold this lock while you import Sionna, diffusers or transformers. A thread that holds it may take it again.

These libraries import torch's compiler, whose modules import each other in circles. If two threads import them at the
same time, one finds a half-initialised module and fails. This happens when several services run in one process.
"""
