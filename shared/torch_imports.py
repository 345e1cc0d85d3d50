"""One import at a time of the libraries that run parts of torch while they are imported."""

from __future__ import annotations

import threading
from typing import Final

TORCH_IMPORTS: Final = threading.RLock()
"""To be held while Sionna, diffusers or transformers is imported; by one thread as often as it likes.

Both reach torch's compiler, whose modules import each other in circles: two threads that import them at once, as the
services do when they run in one process, find them half initialised, and the import fails.
"""
