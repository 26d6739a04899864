"""Random plans over the zoo: every one that compiles must run to its end and write sound files.

`python -m benchmarks.random_plans --count 3000 --seed 1` makes plans from seeds 1, 2, 3…, compiles and runs each, and
prints how many ran, how many were refused and by which codes, and every failure with the seed that repeats it. A
failure is anything else than coded diagnostics from compiling, or than a finished run with finite, whole outputs.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from mosaic.compiler import compile
from mosaic.compiler.diagnostic import InternalError, MosaicError
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.stdlib import zoo

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine

SPACES = {"zoo/base": "a", "zoo/robot": "a", "zoo/base-b": "b"}
LORAS = ("zoo/neon", "zoo/watercolor", "zoo/tiles", "zoo/sketch", "zoo/hat", "zoo/star")
SIZES = ("8x8", "16x16", "16x8", "24x16", "8x32", "32x32", "96x8")
SCHEDULERS = ("ddim", "euler", "euler_a", "dpmpp_2m", "unipc")
PICTURES = {
    "square.png": ("RGB", (16, 16)),
    "wide.png": ("RGB", (32, 16)),
    "grey.png": ("L", (16, 24)),
    "clear.png": ("RGBA", (8, 8)),
    "palette.png": ("P", (16, 8)),
    "bits.png": ("1", (8, 16)),
    "deep.png": ("I;16", (16, 16)),
    "photo.jpg": ("RGB", (24, 16)),
    "print.jpg": ("CMYK", (16, 16)),
    "turned.jpg": ("RGB", (24, 8)),
    "odd.png": ("RGB", (17, 16)),
}
"""What plans load: every kind of pixel, a picture that its camera turned, one whose sides are odd."""
SOUGHT = ("neon tubes", "washes on paper", "square tiles", "pencil", "hat", "star corner")
NOT_FOUND = ("", "xyzzy", "a robot")
WORDS = ('"a pink fish"', '"dog"', '""', '"a/b"', '"…"', '"🐟 ein Fisch"', '".."', '"<samurai>"', '"a  b\\n"')
SETTINGS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "negative": (('"blur"', '""', '"{who}"'), ()),
    "steps": (("1", "2", "2", "3", "4", "4", "2..4"), ("0", "2.5", "4..2", "0..3")),
    "guidance": (("0", "1", "3", "7.5", "100", "w"), ("-1",)),
    "size": (SIZES, ("17x16", "0x8", "4x4")),
    "seed": (("seed", "0", "12345678901", "9007199254740991"), ("-1", "9007199254740992", "1..3")),
    "scheduler": ([f'"{name}"' for name in SCHEDULERS], ('"dimm"',)),
    "tile": (("64x64", "72x64", "512x512"), ("8x8", "65x64")),
}
"""Values of arguments, good and wrong ones."""
WEIGHTS = (
    "sum",
    "sum(rank: 2)",
    "ties(density: 0.5)",
    "dare(density: 0.5)",
    "della(density: 0.5)",
    "magnitude(density: 0.3)",
    "attention",
    'attention(layers: "attn1, attn2")',
)
PREDICTIONS = ("composite", "guidance")
SCHEDULES = ("switch", "switch(period: 2)", "switch(aware: true)", "chain", "chain(lead: 0.3)")
REGIONS = (
    "left",
    "rect(25%, 0%, 75%, 50%)",
    "rect(0%, 0%, 100%, 100%)",
    "rect(10%, 10%, 1%, 80%, feather: 20%)",
    'mask("grey.png")',
    'mask("bits.png", feather: 10%)',
    'mask("photo.jpg")',
    'mask("clear.png")',
)
BUDGETS = (
    "latency: 10s",
    "latency: 150ms",
    "latency: 40ms",
    "cold_latency: 400ms",
    "memory: 8GiB",
    "quality: 50%",
)
WINDOWS = ("0%..50%", "50%..100%", "0%..100%", "20%..cut", "cut..100%", "33%..34%")
WRONG = 0.02
"""How often a choice is made that is probably a mistake."""


MADE = """mosaic 1
plan p { emit fuse(checkpoint("zoo/base"), lora("zoo/hat") * 0.5) as "look.safetensors" }
"""


@dataclass
class Model:
    """A model's expression, its latent space, and the names of what is fused into it.

    `emittable`: it is one set of weights. `crossing`: it goes through several latent spaces, so it is only sampled.
    """

    text: str
    space: str
    fused: tuple[str, ...] = ()
    emittable: bool = True
    crossing: bool = False


@dataclass
class Latent:
    """A latent's name, the space it lies in, and whether it is finished."""

    text: str
    space: str
    done: bool = True
    prompted: bool = True


@dataclass
class Maker:
    """Writes one plan file. What is bound so far is remembered, so that most of what follows fits."""

    random: Random
    lines: list[str] = field(default_factory=list)
    bases: dict[str, str] = field(default_factory=dict)
    loras: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    latents: list[Latent] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    emitted: int = 0
    number: int = 0

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def wrong(self) -> bool:
        return self.chance(WRONG)

    def new(self, stem: str) -> str:
        self.number += 1
        return f"{stem}{self.number}"

    def bind(self, stem: str, expression: str) -> str:
        name = self.new(stem)
        self.lines.append(f"  let {name} = {expression}")
        return name

    # Values

    def number_text(self) -> str:
        return "w" if self.chance(0.2) else f"{self.random.uniform(-0.5, 1.5):.2f}"

    def fraction(self, low: float = 0.4, high: float = 0.9) -> str:
        if self.wrong():
            return self.random.choice(["0%", "100%", "120%", "-10%", "cut"])
        value = self.random.uniform(low, high)
        return self.random.choice([f"{value:.0%}", f"{value:.3f}"])

    def prompt(self, model: Model) -> str:
        return self.several(self.words(model))

    def words(self, model: Model) -> str:
        """One text."""
        words = self.random.choice(
            ["a red cat", "a blue knight by the river", "", "{who}", "a {who} in the alley", "ein Bär"]
        )
        parts = [words, *(f"{{{name}}}" for name in model.fused if self.chance(0.6) or name in self.tokens)]
        if self.wrong():
            parts.append(self.random.choice(["{nothere}", *(f"{{{name}}}" for name in self.loras), "{seed}"]))
        if self.wrong():
            parts += ["a red cat"] * 12
        return '"' + ", ".join(parts) + '"'

    def several(self, text: str) -> str:
        """A prompt, or a list of them of which one counts everywhere (mostly)."""
        if not self.chance(0.2):
            return text
        others = [
            self.random.choice(['"a blue dog"', '"{who}"', '""', "words"]) + self.place(1.0)
            for _ in range(self.random.choice([0, 1, 2]))
        ]
        where = self.place(1.0) if self.wrong() else self.random.choice(["", "", " * 0.7"])
        items = [f"{text}{where}", *others]
        self.random.shuffle(items)
        return f"[{', '.join(items)}]"

    def place(self, share: float, *, regions: bool = True) -> str:
        """Infixes: a strength, a region, a window, each as it happens."""
        infixes = [f" * {self.number_text()}" if self.chance(0.7 * share) else ""]
        if regions and self.chance(0.4 * share):
            infixes.append(f" in {self.random.choice(REGIONS)}")
        if self.chance(0.4 * share):
            infixes.append(f" during {self.random.choice(WINDOWS)}")
        self.random.shuffle(infixes)
        return "".join(infixes)

    # Experts and models

    def experts(self) -> None:
        for _ in range(self.random.choice([1, 1, 2, 2, 3])):
            id = self.random.choices([*SPACES, "zoo/nothere"], [6, 2, 2, 0.15])[0]
            reference = id
            if id == "zoo/base" and self.chance(0.2):
                reference = self.random.choice(
                    [str(zoo.root() / "models" / "base"), "./made/look.safetensors"]
                )
            self.bases[self.bind("base", f'checkpoint("{reference}")')] = id
        for _ in range(self.random.choice([0, 1, 1, 2, 3])):
            id = self.random.choice(LORAS)
            path = zoo.root() / "models" / f"{id.removeprefix('zoo/')}.safetensors"
            reference = str(path) if self.chance(0.1) else id
            kind = "checkpoint" if self.chance(0.02) else "lora"
            expert = f'{kind}("{reference}")'
            if self.chance(0.1):
                expert = f'find(lora, "{self.random.choice(SOUGHT if not self.wrong() else NOT_FOUND)}")'
            self.loras[self.bind("lora", expert)] = id
        if self.chance(0.3):
            self.tokens.append(self.bind("word", 'embedding("zoo/samurai")'))
        self.models += [Model(name, SPACES.get(id, "a"), emittable=True) for name, id in self.bases.items()]

    def operand(self, below: Model, operator: str) -> tuple[str, tuple[str, ...], bool]:
        """An operand's text, the names of what it brings, and whether it has a place or a window."""
        is_weights = operator in WEIGHTS or not operator
        pool = [Model(name, below.space, (name,)) for name in self.loras] * 3
        spaces = {name: SPACES.get(id, "a") for name, id in self.bases.items()}
        pool += [Model(name, at) for name, at in spaces.items() if at == below.space or self.wrong()]
        if operator != "composite" or self.wrong():
            others = [model for model in self.models if model.space == below.space and not model.crossing]
            pool += [m for m in others if m.text.startswith("look") and (m.emittable or not is_weights)]
        chosen = self.random.choice(pool) if pool else Model("lora0", "a")
        name, brought = chosen.text, chosen.fused
        has_regions = operator in ("", *PREDICTIONS) or self.wrong()
        infix = self.place(1.0, regions=has_regions)
        if operator in SCHEDULES and name not in self.loras and not self.wrong():
            infix = infix.partition(" * ")[0]  # half a model has no turn of its own
        if self.chance(0.02):
            infix += self.random.choice([" during 0%..50%", " in rect(0%, 0%, 50%, 100%)", " * 1000", " * 0"])
        return f"{name}{infix}", brought, " during" in infix or " in " in infix

    def model(self) -> Model:
        """A new model over one that is there."""
        below = self.random.choice([model for model in self.models if not model.crossing or self.wrong()])
        if below.space == "b" and not self.wrong():
            return below  # the zoo's adapters are for the other base
        if self.loras and self.chance(0.2):
            return self.by_fragment()
        strangers = [name for name, id in self.bases.items() if SPACES.get(id, "a") != below.space]
        if strangers and self.chance(0.4):
            return self.through_spaces(below, self.random.choice(strangers))
        operator = self.random.choice(["", "", self.random.choice([*WEIGHTS, *PREDICTIONS, *SCHEDULES])])
        chosen = [self.operand(below, operator) for _ in range(self.random.choice([1, 1, 2, 3]))]
        names = tuple(name for _, brought, _ in chosen for name in brought)
        operands = [text for text, _, _ in chosen]
        if self.tokens and self.chance(0.5) and not set(self.tokens) & set((*below.fused, *names)):
            operands.append(self.tokens[0])
            names += (self.tokens[0],)
        if self.chance(0.05):
            which = self.random.choice(["base", "base", "base-b"])
            operands.append(f'vae("{zoo.root() / "models" / which / "vae"}")')
        via = f", via: {operator}" if operator else self.random.choice(["", "", ", via: auto"])
        if self.chance(0.05):
            via = self.random.choice(
                [", via: [sum, guidance]", ", via: [sum, composite, guidance]", ", via: slerp"]
            )
        name = self.bind("look", f"fuse({below.text}, {', '.join(operands)}{via})")
        is_one = below.emittable and operator in ("", *WEIGHTS) and not any(placed for _, _, placed in chosen)
        return Model(name, below.space, (*below.fused, *names), emittable=is_one)

    def through_spaces(self, below: Model, stranger: str) -> Model:
        """A schedule that hands a run over to a model of another latent space."""
        window = self.random.choice([" during 50%..100%", " during cut..100%", " during 40%..100%"])
        fused = f"fuse({below.text}, {stranger}{window}, via: chain)"
        space = "b" if below.space == "a" else "a"
        return Model(self.bind("look", fused), space, below.fused, emittable=False, crossing=True)

    def by_fragment(self) -> Model:
        base = self.random.choice([*self.bases])
        first, second = self.random.choice([*self.loras]), self.random.choice([*self.loras])
        call, fused = self.random.choice(
            [
                (f"looks.styled({base}, {first})", (first,)),
                (f"looks.styled({base}, {first}, strength: {self.number_text()})", (first,)),
                (f"looks.two_styles({base}, {first}, {second})", (first, second)),
                (f"looks.character_in_style({base}, {self.random.choice([*self.bases])}, {first})", (first,)),
                (f"twice({base}, {first})", (first,)),
            ]
        )
        return Model(self.bind("look", call), SPACES.get(self.bases[base], "a"), fused)

    # Latents and pictures

    def settings(self, *names: str) -> str:
        return "".join(f", {name}: {self.setting(name)}" for name in names)

    def setting(self, name: str) -> str:
        """A value for a verb's argument, now and then a wrong one."""
        if name == "until":
            return self.fraction()
        good, bad = SETTINGS[name]
        return self.random.choice(bad if bad and self.wrong() else good)

    def some(self, *names: str) -> tuple[str, ...]:
        return tuple(name for name in names if self.chance(0.35))

    def sample(self) -> Latent:
        model = self.random.choice(self.models)
        half = self.chance(0.35)
        extra = self.settings("steps", "size", *self.some("negative", "guidance", "seed", "scheduler"))
        until = self.settings("until") if half else ""
        if self.chance(0.08):
            call = f"looks.draft({model.text}, {self.words(model)}, steps: 3, until: 50%)"
            return Latent(self.bind("made", call), model.space, done=False)
        text = self.bind("made", f"sample({model.text}, prompt: {self.prompt(model)}{extra}{until})")
        return Latent(text, model.space, done=not half)

    def near(self, space: str) -> Model:
        fitting = [model for model in self.models if model.space == space and not model.crossing]
        return self.random.choice(self.models if self.wrong() or not fitting else fitting)

    def resume(self) -> Latent:
        begun = [latent for latent in self.latents if not latent.done]
        if self.wrong():
            begun = self.latents
        if not begun:
            return self.sample()
        latent = self.random.choice(begun)
        model = self.near(latent.space)
        prompt = f", prompt: {self.prompt(model)}" if self.chance(0.5) else ""
        half = self.chance(0.2)
        extra = self.settings(*self.some("negative", "guidance"), *(("until",) if half else ()))
        extra += f", steps: {self.random.choice(['1', '2', '1..2'])}" if self.chance(0.2) else ""
        name = self.bind("rest", f"resume({model.text}, {latent.text}{prompt}{extra})")
        return Latent(name, latent.space, done=not half and "steps: " not in extra)

    def refine(self) -> Latent:
        latents = [latent for latent in self.latents if latent.done or self.wrong()]
        source = self.random.choice([*latents, *self.images]) if latents or self.images else None
        if source is None:
            return self.sample()
        space = source.space if isinstance(source, Latent) else self.random.choice(["a", "b"])
        model = self.near(space)
        text = source.text if isinstance(source, Latent) else source
        prompt = f", prompt: {self.prompt(model)}" if self.chance(0.8) else ""
        extra = self.settings("steps", *self.some("negative", "guidance", "seed", "scheduler"))
        strength = f", strength: {self.fraction()}" if self.chance(0.8) else ""
        return Latent(
            self.bind("again", f"refine({model.text}, {text}{strength}{prompt}{extra})"), model.space
        )

    def align(self) -> Latent:
        """A latent carried into another space, or into its own."""
        latent = self.random.choice(self.latents)
        model = self.near(self.random.choice(["a", "b"]))
        text = self.bind("over", f"align({latent.text}, to: {model.text})")
        return Latent(text, model.space, latent.done, latent.prompted)

    def encode(self) -> Latent:
        model = self.near(self.random.choice(["a", "b"]))
        picture = self.random.choice(self.images) if self.images else self.picture()
        return Latent(
            self.bind("coded", f"encode({picture}, with: {model.text}{self.settings(*self.some('tile'))})"),
            model.space,
            prompted=False,
        )

    def picture(self) -> str:
        done = [latent for latent in self.latents if latent.done or self.wrong()]
        if done and self.chance(0.6):
            name = self.bind(
                "seen", f"decode({self.random.choice(done).text}{self.settings(*self.some('tile'))})"
            )
        else:
            path = self.random.choice(
                [*PICTURES, "square.png", "wide.png", *(["no.png"] if self.wrong() else [])]
            )
            name = self.bind("photo", f'load_image("{path}")')
        self.images.append(name)
        return name

    def emit(self) -> None:
        value = self.random.choices(["latent", "image", "model", "wrong"], [8, 2, 1.5, 0.15])[0]
        path = f"{self.emitted}{self.random.choice(['', '_{seed}', '_{who}'])}"
        self.emitted += 1
        if self.chance(0.01):
            path = self.random.choice(["../out", "same", "folder/inner", "a:b"])
        suffix = ".png"
        if value == "model":
            made = [m for m in self.models if m.text.startswith("look") and (m.emittable or self.wrong())]
            plain = [model for model in self.models if model.text in self.bases]
            text, suffix = self.random.choice(made or plain).text, ".safetensors"
        elif value == "image" and self.images:
            text = self.random.choice(self.images)
        elif value == "wrong" or not self.latents:
            text = self.random.choice([*self.loras, *self.bases, "w"])
        else:
            latent = self.random.choice(self.latents)
            text = latent.text
            suffix = ".safetensors" if not latent.done or self.chance(0.2) else ".png"
        self.lines.append(f'  emit {text} as "{path}{suffix}"')

    # The file

    def policy(self) -> str:
        use, action = (
            self.random.choice(["personal", "commercial"]),
            self.random.choice(["generate", "redistribute"]),
        )
        rating = self.random.choice(
            ["general", "mature", "any", "general", "nothing"] if self.wrong() else ["general", "any"]
        )
        return f"  policy {{ use: {use}, action: {action}, rating: {rating} }}"

    def plan(self, name: str) -> list[str]:
        self.lines, self.bases, self.loras, self.tokens = [], {}, {}, []
        self.models, self.latents, self.images = [], [], []
        if self.chance(0.2):
            self.lines.append(self.policy())
        if self.chance(0.15):
            self.lines.append(f"  budget {{ {self.random.choice(BUDGETS)} }}")
        self.lines.append("  let left = rect(0%, 0%, 50%, 100%)")
        self.lines.append('  let words = "a green house"')
        self.experts()
        for _ in range(self.random.choice([0, 1, 1, 2, 3])):
            self.models.append(self.model())
        self.latents.append(self.sample())
        for _ in range(self.random.choice([0, 1, 1, 2, 3])):
            make = self.random.choice(
                ["sample", "resume", "resume", "refine", "refine", "encode", "picture", "align"]
            )
            if make == "picture":
                self.picture()
            else:
                self.latents.append(getattr(self, make)())
        for _ in range(self.random.choice([1, 1, 2, 3])):
            self.emit()
        return [f"plan {name} {{", *self.lines, "}", ""]

    def file(self) -> str:
        who = self.random.choice(WORDS[:2] if self.chance(0.6) else WORDS)
        text = [
            "mosaic 1",
            "",
            "use std.looks",
            "",
            f"param who: text = {who}",
            f"param seed: int = {self.random.randrange(100)}",
            f"param w: number = {self.random.choice(['0.5', '1', '2'])}",
            "param cut: fraction = 50%",
            "",
            "define twice(base: checkpoint, one: lora, s: number = 0.4) -> model {",
            "  return fuse(fuse(base, one * s), one * w)",
            "}",
            "",
        ]
        for name in ("p", "q")[: 1 + self.chance(0.12)]:
            text += self.plan(name)
        return "\n".join(text)


def random_plan(seed: int) -> str:
    """The text of a plan file, the same for the same seed."""
    return Maker(Random(seed)).file()


def write_pictures(folder: Path) -> None:
    """The pictures that plans load."""
    from PIL import Image

    for name, (mode, size) in PICTURES.items():
        image = Image.linear_gradient("L").resize(size)
        turned = Image.Exif()
        turned[0x0112] = 6 if name == "turned.jpg" else 1
        image.convert("RGB").convert(mode).save(folder / name, exif=turned)


FAULTS = (
    MosaicError,
    InternalError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Outcome:
    """What became of one plan: `ran`, `refused` (by these codes) or `failed` (in these words)."""

    kind: str
    codes: tuple[str, ...] = ()
    failure: str = ""
    files: int = 0


class Trials:
    """Compiles and runs plans in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_pictures(folder)
        self.project = Project(device="cpu-8")  # for those with a budget
        self.engine: Engine = engine(device="cpu")
        self._make_model()

    def _make_model(self) -> None:
        """A model that a plan emitted, for other plans to build on, with the words that a single file lacks."""
        made = self.folder / "made"
        shutil.copytree(zoo.root() / "models" / "base" / "tokenizer", made / "tokenizer")
        source = SourceFile(str(self.folder / "first.mosaic"), MADE)
        (program,) = self.project.compile(source).programs
        self.engine.run(program, made)

    def run(self, text: str) -> Outcome:
        """One file through everything; what nobody thought of is a failure like any other."""
        try:
            return self._run(text)
        except FAULTS as error:
            codes = [found.code for found in error.diagnostics] if isinstance(error, MosaicError) else []
            return Outcome("failed", tuple(codes), f"{type(error).__name__}: {error}")

    def _run(self, text: str) -> Outcome:
        source = SourceFile(str(self.folder / "plan.mosaic"), text)
        (self.folder / "plan.mosaic").write_text(text, encoding="utf-8")
        compiled = compile(source, self.project.context(source))
        for found in compiled.diagnostics:
            assert found.message() and found.code != "M901", found
            found.primary(), found.labels(), found.help(), found.fixes()
        codes = tuple(
            sorted({found.code for found in compiled.diagnostics if str(found.severity) == "error"})
        )
        if compiled.has_errors:
            assert codes and not compiled.programs
            return Outcome("refused", codes)
        files = 0
        for program in compiled.programs:
            assert Program.from_json(program.to_json()) == program
            output = self.folder / "out"
            shutil.rmtree(output, ignore_errors=True)
            result = self.engine.run(program, output)
            wanted = sum(instruction.operation.op == "emit" for instruction in program.instructions)
            assert len(result.emitted) == wanted, f"{len(result.emitted)} of {wanted} emitted"
            for emitted in result.emitted:
                check_file(emitted.path)
            files += wanted
        return Outcome("ran", files=files)


def check_file(path: Path) -> None:
    """Raise AssertionError for a file that is empty, cut off, or holds numbers that are not finite."""
    assert path.stat().st_size, f"{path.name} is empty"
    if path.suffix == ".png":
        from PIL import Image

        with Image.open(path) as image:
            image.load()
            assert image.mode == "RGB" and min(image.size) >= 8, f"{path.name}: {image.mode} {image.size}"
        return
    from safetensors.torch import load_file

    tensors = load_file(path)
    assert tensors, f"{path.name} holds nothing"
    for name, tensor in tensors.items():
        assert not tensor.is_floating_point() or bool(tensor.isfinite().all()), (
            f"{path.name}: {name} is not finite"
        )


def trials(seeds: Sequence[int], folder: Path, *, quiet: bool = True) -> dict[int, Outcome]:
    """Run the plans of some seeds."""
    made = Trials(folder)
    outcomes = {}
    for done, seed in enumerate(seeds, 1):
        outcomes[seed] = made.run(random_plan(seed))
        if outcomes[seed].kind == "failed" and not quiet:
            print(f"seed {seed}: {outcomes[seed].failure}", flush=True)
        if done % 250 == 0 and not quiet:
            print(f"{done} of {len(seeds)}", file=sys.stderr, flush=True)
    return outcomes


def main() -> int:
    """Run the plans and print what became of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_plans", description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="the first plan's seed; the others follow")
    parser.add_argument("--show", action="store_true", help="print the first plan and what became of it")
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if chosen.show:
        print(random_plan(chosen.seed))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        count = 1 if chosen.show else chosen.count
        outcomes = trials(range(chosen.seed, chosen.seed + count), Path(folder), quiet=False)
    kinds = collections.Counter(outcome.kind for outcome in outcomes.values())
    files = sum(outcome.files for outcome in outcomes.values())
    print(
        f"{len(outcomes)} plans in {time.perf_counter() - started:.0f} s: {kinds['ran']} ran ({files} files),"
    )
    print(f"{kinds['refused']} were refused, {kinds['failed']} failed")
    codes = collections.Counter(
        code for outcome in outcomes.values() if outcome.kind == "refused" for code in outcome.codes
    )
    print("refused by: " + ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    return 1 if kinds["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
