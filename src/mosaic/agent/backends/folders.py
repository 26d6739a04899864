"""What is looked at in the folder of a language model before it is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import ModelNotConfigured

_NEEDED: Final = ("torch", "transformers", "safetensors", "llguidance", "jinja2", "numpy")


def check_folder(folder: Path) -> None:
    """Raises MosaicError (M862) for what is no model, as far as its files tell."""
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        advice = 'install it: pip install "mosaic-plan[run,llm]"'
        raise missing(f"the package `{absent[0]}` is not installed", advice)
    if not folder.is_dir():
        raise missing(
            f"there is no folder {folder}", "a local model is named by its folder: `--model FOLDER`"
        )
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise missing(f"{folder} is no model: it has no {name}")
    if (folder / "adapter_config.json").exists():
        raise missing(f"{folder} holds an adapter: merge it into its model first")
    if not any(folder.glob("*.safetensors")):
        pickled = any(any(folder.glob(pattern)) for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt"))
        why = "its weights are pickled, and a pickle can run code" if pickled else "it has no safetensors"
        raise missing(f"{folder} is not read: {why}", "convert the weights to safetensors")


def missing(reason: str, *advice: str) -> MosaicError:
    """That no model can be asked (M862)."""
    return MosaicError(ModelNotConfigured(None, reason, advice))
