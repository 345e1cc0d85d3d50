"""A transfer imports what it uses, and nothing else that takes time."""

from __future__ import annotations

import subprocess
import sys

UNUSED = ("diffusers", "transformers", "tokenizers", "matplotlib.figure", "scipy.interpolate", "scipy.special")
CODE = f"""
import sys
import channel.phy.coding
from receiver.pocket.decoder import PocketDecoder
PocketDecoder("cpu").load()
print([module for module in {UNUSED} if module in sys.modules])
from matplotlib.figure import Figure
from sionna.phy.utils import misc, plotting
import numpy as np
print(misc.griddata(np.eye(2), np.ones(2), np.eye(2), "nearest"), plotting.plt.figure().__class__ is Figure)
"""


def test_channel_and_decoder_import_no_more_than_they_use_and_leave_the_rest_usable():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[]", "[1. 1.] True"], done.stderr
