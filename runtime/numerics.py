"""What decides the bytes of a result beside the program: code, versions, processor, threads.

Everything here goes into the keys of cached values, so that a value is found only where computing it again would give
the same bytes. What is not known to matter, but may, is in: a needless miss costs time, a wrong hit a picture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from mosaic.compiler.operators import Operator
from mosaic.runtime.devices import WORKSPACE, Device
from mosaic.runtime.surroundings import surroundings


def numerics(device: Device, operators: Mapping[str, Operator]) -> Mapping[str, str]:
    """What decides numbers on a device here and now, by name.

    The number of threads is in because it decides the order of some sums on the CPU. Settings of torch that a caller
    may change between two runs are read anew.
    """
    facts = surroundings(operators)
    facts |= {
        "device": device.name,
        "dtype": device.dtype_name,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "matmul": torch.get_float32_matmul_precision(),
        "mkldnn": str(bool(torch.backends.mkldnn.enabled)),
    }
    if device.name == "cuda":
        facts |= {
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
            "card": torch.cuda.get_device_name(),
            "workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG", WORKSPACE),
        }
    return facts
