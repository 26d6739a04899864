"""`python -m mosaic.stdlib.zoo.train`: everything in order, or one stage with `--only`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from mosaic.stdlib.zoo.train import bridge, check, embedding, finetune, lora, ship, shipped, text, unet, vae
from mosaic.stdlib.zoo.train.common import Job, note

STAGES: Final[dict[str, Callable[[Job], None]]] = {
    "vae": partial(vae.run, recipe=vae.A),
    "text": text.run,
    "unet": partial(unet.run, recipe=unet.A),
    "polish": partial(vae.polish, recipe=vae.A),
    "checker": check.run,
    **{recipe.name: partial(lora.run, recipe=recipe) for recipe in lora.ALL},
    "robot": finetune.run,
    "samurai": embedding.run,
    "vae-b": partial(vae.run, recipe=vae.B),
    "polish-b": partial(vae.polish, recipe=vae.B),
    "unet-b": partial(unet.run, recipe=unet.B),
    "bridge": bridge.run,
    "ship": ship.run,
}
"""All stages; each needs only those above it."""


def main() -> None:
    """Parse the command line and run the stages."""
    parser = argparse.ArgumentParser(prog="python -m mosaic.stdlib.zoo.train", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(STAGES), help="run these stages alone")
    parser.add_argument("--steps-scale", type=float, default=1.0, help="multiply all steps and counts")
    parser.add_argument("--work", type=Path, default=Path(".work/zoo/main"), help="where snapshots are kept")
    parser.add_argument(
        "--from-shipped",
        action="store_true",
        help="take text encoder, autoencoders and bases from the package instead of training them",
    )
    parser.add_argument("--models", type=Path, help="where to ship (default: into the package)")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    job = Job(chosen.work, chosen.steps_scale, chosen.threads, chosen.models)
    if chosen.from_shipped:
        shipped.fill(job)
    for name in chosen.only or STAGES:
        start = time.perf_counter()
        STAGES[name](job)
        note(job, name, seconds=round(time.perf_counter() - start))
        print(f"== {name}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
