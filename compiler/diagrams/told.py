"""What the box of an operation says: arrows tell what it takes, so only the rest is spelled."""

from __future__ import annotations

from mosaic.compiler.notation import percent, taking_part
from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    EncodeText,
    Fuse,
    LoadImage,
    LoadModel,
    Operand,
    Operation,
    Program,
    Refine,
    Resume,
)


def taken(operation: Operation) -> tuple[tuple[int, str], ...]:
    """The values that an operation takes, each with its type."""
    match operation:
        case LoadModel() | LoadImage():
            return ()
        case Fuse(model=model, operands=operands):
            return (
                (model, "model"),
                *((each.model, "model") for each in operands if each.model is not None),
            )
        case EncodeText(model=model):
            return ((model, "model"),)
        case CombinePrompts(parts=parts):
            return tuple((part.conditioning, "conditioning") for part in parts)
        case Denoise():
            start: tuple[tuple[int, str], ...] = ((operation.model, "model"),)
            return (*start, *_prompts(operation))
        case Resume() | Refine():
            return ((operation.model, "model"), (operation.latent, "latent"), *_prompts(operation))
        case Align(latent=latent, source=source, model=model):
            return ((latent, "latent"), (source, "model"), (model, "model"))
        case Decode(latent=latent, model=model):
            return ((latent, "latent"), (model, "model"))
        case EncodeImage(image=image, model=model):
            return ((image, "image"), (model, "model"))
        case Emit(value=value, type=kind):
            return ((value, kind),)


def _prompts(operation: Denoise | Resume | Refine) -> tuple[tuple[int, str], ...]:
    return ((operation.positive, "conditioning"), (operation.negative, "conditioning"))


def told(operation: Operation, program: Program) -> tuple[str, str]:
    """Heading and what is below it."""
    match operation:
        case LoadModel(expert=expert):
            return "load_model", program.experts[expert].id
        case Fuse():
            operands = ", ".join(_operand(each, program) for each in operation.operands)
            settings = "".join(f" {name}={value}" for name, value in operation.settings.items())
            return f"fuse by {operation.operator}", f"{operands or 'nothing'}{settings and ';'}{settings}"
        case EncodeText(text=text):
            return "encode_text", f"“{text}”" if text else "no words"
        case CombinePrompts(parts=parts):
            spelled = (
                taking_part(
                    _prompt(part.conditioning, program), part.weight, part.window, part.region, program.images
                )
                for part in parts
            )
            return "combine_prompts", ", ".join(spelled)
        case Denoise():
            size = f"{operation.width}x{operation.height}"
            return "denoise", f"{operation.steps} steps, {size}, seed {operation.seed}{_until(operation)}"
        case Resume():
            steps = f"{operation.steps} steps, " if operation.steps is not None else ""
            return "resume", f"{steps}guidance {operation.guidance:g}{_until(operation)}"
        case Refine():
            return (
                "refine",
                f"to {percent(operation.strength)}, {operation.steps} steps, seed {operation.seed}",
            )
        case Align(bridge=bridge):
            way = f"by {program.experts[bridge].id}" if bridge is not None else "through a picture"
            return "align", way
        case Decode(tile=tile):
            return "decode", _tiles(tile)
        case EncodeImage(tile=tile):
            return "encode_image", _tiles(tile)
        case LoadImage(file=file):
            return "load_image", program.images[file].name
        case Emit(path=path, type=kind):
            return f"emit {kind}", path


def _prompt(value: int, program: Program) -> str:
    for each in program.instructions:
        if each.result == value and isinstance(each.operation, EncodeText):
            return f"“{each.operation.text}”"
    return "a prompt"


def _until(operation: Denoise | Resume) -> str:
    return f", until {percent(operation.until)}" if operation.until < 1 else ""


def _tiles(tile: tuple[int, int] | None) -> str:
    return f"tiles of {tile[0]}x{tile[1]}" if tile else "in one piece"


def _operand(operand: Operand, program: Program) -> str:
    name = "a model" if operand.expert is None else program.experts[operand.expert].id
    return taking_part(name, operand.strength, operand.window, operand.region, program.images)
