"""`mosaic bridge fit`: a map between two models' latent spaces, from pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG
from mosaic.cli.run import Device


class Form(StrEnum):
    """The forms of a bridge."""

    LINEAR = "linear"
    CONV = "conv"


_DATA = "What to fit on"
_HOW = "How to fit"


@guarded
def fit(
    source: Annotated[
        str, typer.Option("--from", metavar="CHECKPOINT", help="A model of the space that it leads out of.")
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="CHECKPOINT", help="A model of the space that it leads into.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where it goes; the one back goes beside it, as NAME.back."
        ),
    ],
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures", metavar="DIR", help="A folder of PNG, JPEG or WebP pictures.", rich_help_panel=_DATA
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", metavar="N", min=1, help="Have the first model draw so many.", rich_help_panel=_DATA
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", metavar="FILE", help="What it draws: a prompt a line.", rich_help_panel=_DATA
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", metavar="TEXT", help="A prompt; several options.", rich_help_panel=_DATA),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Of the first sample, and of training.", rich_help_panel=_DATA),
    ] = 0,
    kind: Annotated[
        Form,
        typer.Option("--kind", help="One convolution, or a small network added to it.", rich_help_panel=_HOW),
    ] = Form.LINEAR,
    kernel: Annotated[
        int,
        typer.Option(
            "--kernel", metavar="K", min=1, max=9, help="Side of the convolution, odd.", rich_help_panel=_HOW
        ),
    ] = 3,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Training steps of the network.", rich_help_panel=_HOW)
    ] = 600,
    width: Annotated[
        int, typer.Option("--width", min=1, max=1024, help="Channels of the network.", rich_help_panel=_HOW)
    ] = 32,
    license: Annotated[
        str, typer.Option("--license", metavar="SPDX", help="The licence that the bridge is under.")
    ] = "",
    register: Annotated[bool, typer.Option("--register", help="Add both to the catalog.")] = False,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[Device, typer.Option("--device", help="Where to compute.")] = Device.AUTO,
    json_output: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> None:
    """Fit a bridge between the latent spaces of two models, and the one back, and measure both.

    Both VAEs encode the same pictures; a fifth of them is held out and measured on. `align` finds bridges that are
    registered, and takes any by its path: align(latent, to: model, by: "./bridge.safetensors").
    """
    from mosaic.cli.bridge.fitting import Request, run_fit

    if (pictures is None) == (samples is None):
        raise typer.BadParameter(
            "one of them: pictures to fit on, or how many to draw", param_hint="--pictures, --samples"
        )
    if samples is None and (prompts is not None or prompt):
        raise typer.BadParameter("prompts are for --samples", param_hint="--prompt, --prompts")
    if kernel % 2 == 0:
        raise typer.BadParameter("the side of a convolution that keeps sizes is odd", param_hint="--kernel")
    if output.suffix != ".safetensors":
        raise typer.BadParameter("a bridge is a .safetensors file", param_hint="--output")
    run_fit(
        Request(
            source=source,
            target=target,
            output=output,
            pictures=pictures,
            samples=samples or 0,
            prompts=prompts,
            prompt=tuple(prompt or ()),
            seed=seed,
            form=kind.value,
            kernel=kernel,
            steps=steps,
            width=width,
            license=license,
            register=register,
            catalog=catalog,
            device=device.value,
            json_output=json_output,
        )
    )
