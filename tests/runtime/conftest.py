"""Tiny models of the real architecture with random weights, built once, and programs written by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

from safetensors.torch import save_file  # noqa: E402

from mosaic import stdlib  # noqa: E402
from mosaic.compiler.operators import Operator  # noqa: E402
from mosaic.compiler.program import (  # noqa: E402
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    EncodeText,
    Expert,
    File,
    Fuse,
    Instruction,
    LoadImage,
    LoadModel,
    Operand,
    Program,
    PromptPart,
    Refine,
    Resume,
    Source,
)
from mosaic.compiler.weights import ldm  # noqa: E402
from mosaic.runtime.engine import Engine  # noqa: E402
from mosaic.runtime.results import RunResult  # noqa: E402

torch.set_num_threads(1)

WORDS = ("cat", "dog", "red", "blue", "sky", "night", "river", "a", "the")


def file_at(path: Path, name: str, role: str) -> File:
    """A file as a program names it."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return File(role=role, name=name, sha256=digest, size=len(data), location=str(path))


def expert_at(path: Path, kind: str, **more: Any) -> Expert:
    """A folder or file as an expert."""
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and p.parent != path)
        names = [p.relative_to(path).as_posix() for p in inside]
        files = tuple(file_at(p, n, n.partition("/")[0]) for p, n in zip(inside, names, strict=True))
    else:
        role = {"lora": "adapter", "embedding": "embedding", "vae": "vae"}.get(kind, "checkpoint")
        files = (file_at(path, path.name, role),)
    settings: dict[str, Any] = {
        "id": f"./{path.name}",
        "family": "sd1",
        "latent_space": "tiny",
        "prediction": "epsilon",
        "trigger": None,
        "license": "CC0-1.0",
        "title": path.stem,
    }
    return Expert(kind=kind, files=files, **{**settings, **more})


@dataclass(frozen=True)
class Tiny:
    """A pipeline on disk and in memory."""

    folder: Path
    unet: Any
    text_encoder: Any
    vae: Any
    scheduler: Any
    tokenizer: Any
    pipelines: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def expert(self) -> Expert:
        """The folder as a checkpoint."""
        return expert_at(self.folder, "checkpoint")

    def pipeline(self, kind: Any = diffusers.StableDiffusionPipeline, use: str = "shared") -> Any:
        """diffusers' own pipeline over the same folder: the oracle. Name a `use` that changes its parts."""
        if (kind, use) in self.pipelines:
            return self.pipelines[kind, use]
        loaded = self.pipelines[kind, use] = kind(
            vae=diffusers.AutoencoderKL.from_pretrained(self.folder / "vae"),
            text_encoder=transformers.CLIPTextModel.from_pretrained(self.folder / "text_encoder"),
            tokenizer=transformers.CLIPTokenizer.from_pretrained(self.folder / "tokenizer"),
            unet=diffusers.UNet2DConditionModel.from_pretrained(self.folder / "unet"),
            scheduler=diffusers.DDIMScheduler.from_pretrained(self.folder / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        loaded.set_progress_bar_config(disable=True)
        return loaded


def make_tokenizer() -> Any:
    """CLIP's tokenizer over bytes, with a few whole words."""
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz0123456789<>,.-_{}"})
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
                vocabulary.append("".join(pair))
            parts[:2] = ["".join(pair)]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    numbers = {word: n for n, word in enumerate(dict.fromkeys(vocabulary))}
    return transformers.CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=20)


def make_folder(folder: Path, seed: int, prediction: str = "epsilon") -> Tiny:
    """Build and save a pipeline of Stable Diffusion 1's architecture."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=8,
    )
    text_encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=1,
            max_position_embeddings=20,
            bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1,
        )
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
    )
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )
    for module in (unet, text_encoder, vae):
        module.eval().requires_grad_(False)
    parts = {"unet": unet, "text_encoder": text_encoder, "vae": vae}
    for name, part in {**parts, "scheduler": scheduler, "tokenizer": tokenizer}.items():
        part.save_pretrained(folder / name)
    return Tiny(folder, unet, text_encoder, vae, scheduler, tokenizer)


def in_original_layout(tiny: Tiny) -> dict[str, Any]:
    """The pipeline's tensors under the names of a single-file checkpoint."""
    tensors: dict[str, Any] = {}
    state = {f"unet.{name}": tensor for name, tensor in tiny.unet.state_dict().items()}
    layout = ldm.layout_of_diffusers(state)
    for name, tensor in state.items():
        module, _, last = name.rpartition(".")
        original = ldm.to_ldm(module, layout)
        assert original is not None, name
        tensors[f"model.diffusion_model.{original.removeprefix('unet.')}.{last}"] = tensor
    for name, tensor in tiny.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = tensor
    for name, tensor in tiny.vae.state_dict().items():
        old = name
        for side in ("encoder", "decoder"):
            old = old.replace(f"{side}.mid_block.resnets.0.", f"{side}.mid.block_1.")
            old = old.replace(f"{side}.mid_block.resnets.1.", f"{side}.mid.block_2.")
        if ".mid_block.attentions.0." in old:
            old = old.replace(".mid_block.attentions.0.", ".mid.attn_1.")
            for new, short in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v")):
                old = old.replace(f".{new}.", f".{short}.")
            old = old.replace(".to_out.0.", ".proj_out.")
            if tensor.ndim == 2:
                tensor = tensor[:, :, None, None]
        old = old.replace("decoder.up_blocks.0.", "decoder.up.1.").replace(
            "decoder.up_blocks.1.", "decoder.up.0."
        )
        old = old.replace("encoder.down_blocks.", "encoder.down.").replace(".resnets.", ".block.")
        old = old.replace("samplers.0.", "sample.").replace("conv_shortcut", "nin_shortcut")
        tensors[f"first_stage_model.{old.replace('conv_norm_out', 'norm_out')}"] = tensor
    return {name: tensor.clone().contiguous() for name, tensor in tensors.items()}


@dataclass
class Build:
    """Writes programs by hand. Methods return value numbers."""

    experts: list[Expert] = field(default_factory=list)
    images: list[File] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)

    def add(self, operation: Any, frees: Iterable[int] = ()) -> int:
        """Append an instruction."""
        number = len(self.instructions)
        self.instructions.append(Instruction(result=number, operation=operation, frees=tuple(frees)))
        return number

    def expert(self, expert: Expert) -> int:
        """The index of an expert."""
        if expert not in self.experts:
            self.experts.append(expert)
        return self.experts.index(expert)

    def load(self, expert: Expert) -> int:
        """A checkpoint as a model."""
        return self.add(LoadModel(expert=self.expert(expert)))

    def fuse(self, model: int, *operands: tuple[Expert, float]) -> int:
        """Experts into a model by `sum`."""
        wanted = tuple(Operand(expert=self.expert(e), strength=s) for e, s in operands)
        return self.add(Fuse(model=model, operator="sum", operator_version=1, settings={}, operands=wanted))

    def fuse_by(self, operator: str, model: int, *operands: Operand, **settings: Any) -> int:
        """Operands into a model by any operator, its defaults where no setting is given."""
        known = stdlib.find_operators()[operator]
        given = {setting.name: settings.get(setting.name, setting.default) for setting in known.settings}
        return self.add(
            Fuse(
                model=model,
                operator=operator,
                operator_version=known.version,
                settings=given,
                operands=tuple(operands),
            )
        )

    def operand(self, given: Expert | int, strength: float = 1.0, **more: Any) -> Operand:
        """An expert, or the number of a model, as an operand."""
        if isinstance(given, int):
            return Operand(model=given, strength=strength, **more)
        return Operand(expert=self.expert(given), strength=strength, **more)

    def combine(self, *parts: PromptPart) -> int:
        """Several prompts for one picture."""
        return self.add(CombinePrompts(parts=tuple(parts)))

    def align(self, latent: int, source: int, model: int) -> int:
        """A latent in another model's space, by way of the picture."""
        return self.add(Align(latent=latent, source=source, model=model))

    def text(self, model: int, text: str) -> int:
        """A prompt."""
        return self.add(EncodeText(model=model, text=text))

    def prompts(self, model: int, text: str = "a red cat") -> dict[str, int]:
        """A prompt and an empty negative one, as arguments."""
        return {"positive": self.text(model, text), "negative": self.text(model, "")}

    def sample(self, model: int, prompts: Mapping[str, int] | None = None, **more: Any) -> int:
        """Denoise from noise."""
        settings = {
            "steps": 4,
            "guidance": 3.0,
            "width": 16,
            "height": 16,
            "seed": 7,
            "scheduler": "ddim",
            **(prompts or self.prompts(model)),
            **more,
        }
        return self.add(Denoise(model=model, **settings))

    def resume(self, model: int, latent: int, prompts: Mapping[str, int], **more: Any) -> int:
        """Go on."""
        return self.add(Resume(model=model, latent=latent, **prompts, **{"guidance": 3.0, **more}))

    def refine(self, model: int, latent: int, prompts: Mapping[str, int], **more: Any) -> int:
        """Re-noise and denoise."""
        settings = {"strength": 0.5, "steps": 6, "guidance": 3.0, "seed": 3, "scheduler": "ddim", **more}
        return self.add(Refine(model=model, latent=latent, **prompts, **settings))

    def image(self, path: Path) -> int:
        """A picture from a file."""
        self.images.append(file_at(path, path.name, "image"))
        return self.add(LoadImage(file=len(self.images) - 1))

    def encode(self, image: int, model: int) -> int:
        """A picture as a latent."""
        return self.add(EncodeImage(image=image, model=model))

    def decode(self, latent: int, model: int) -> int:
        """A latent as a picture."""
        return self.add(Decode(latent=latent, model=model))

    def emit(self, value: int, path: str, kind: str = "latent") -> int:
        """A file."""
        return self.add(Emit(value=value, path=path, type=kind))

    def program(self, text: str = 'mosaic 1\nplan p { }  # "quoted" – ünïcode\n') -> Program:
        """What was built."""
        source = Source(name="p.mosaic", plan="p", text=text, parameters={"seed": 7})
        return Program(
            experts=tuple(self.experts),
            images=tuple(self.images),
            instructions=tuple(self.instructions),
            source=source,
        )


@dataclass
class Bench:
    """An engine and a folder to write into."""

    engine: Engine
    folder: Path

    def run(self, built: Build, folder: str = "out") -> RunResult:
        """Run what was built."""
        return self.engine.run(built.program(), self.folder / folder)

    def latent(self, built: Build, value: int) -> Any:
        """Run up to a latent and return its tensor (1, channels, h, w)."""
        return self.latents(built, value)[0]

    def latents(self, built: Build, *values: int) -> list[Any]:
        """Run and return several latents."""
        from safetensors.torch import load_file

        for value in values:
            built.emit(value, f"{value}.safetensors")
        self.run(built)
        return [load_file(self.folder / "out" / f"{value}.safetensors")["latent"] for value in values]


@pytest.fixture(scope="session")
def operators() -> dict[str, Operator]:
    """The operators that come with the language."""
    return dict(stdlib.find_operators())


@pytest.fixture(scope="session")
def engine(operators: dict[str, Operator]) -> Engine:
    """An engine on the CPU that finds files where they were last seen."""
    return Engine(locate=lambda file: Path(file.location), operators=operators, device="cpu")


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Bench:
    """The engine and this test's folder."""
    return Bench(engine, tmp_path)


@pytest.fixture
def build() -> Build:
    """An empty program."""
    return Build()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A pipeline that predicts the noise."""
    return make_folder(tmp_path_factory.mktemp("models") / "tiny", seed=0)


@pytest.fixture(scope="session")
def tuned(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The same pipeline with other weights in unet and text encoder, as if fine-tuned."""
    return make_folder(tmp_path_factory.mktemp("models") / "tuned", seed=1)


@pytest.fixture(scope="session")
def velocity(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A pipeline that predicts v."""
    return make_folder(tmp_path_factory.mktemp("models") / "velocity", seed=2, prediction="v_prediction")


@pytest.fixture(scope="session")
def single(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline as one file in the original layout, with its tokenizer beside it."""
    folder = tmp_path_factory.mktemp("models") / "single"
    folder.mkdir()
    save_file(in_original_layout(tiny), folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


@pytest.fixture(scope="session")
def make_expert() -> Any:
    """`expert_at`, for tests."""
    return expert_at


@pytest.fixture(scope="session")
def lora_factors(tiny: Tiny) -> dict[str, tuple[Any, Any]]:
    """Rank-3 factors (down, up) by module of unet and text encoder, linear and convolutions."""
    generator = torch.Generator().manual_seed(5)
    factors = {}
    for part, module in (("unet", tiny.unet), ("text_encoder", tiny.text_encoder)):
        for name, layer in module.named_modules():
            if name.startswith("vision") or not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                continue
            wanted = ("to_q", "to_v", "to_out.0", "proj_in", "conv1", "ff.net.2", "q_proj", "fc1")
            if not name.endswith(wanted):
                continue
            out, *inside = layer.weight.shape
            down = torch.randn(3, *inside, generator=generator) * 0.1
            up = torch.randn(out, 3, *(1 for _ in inside[1:]), generator=generator) * 0.1
            factors[f"{part}.{name.removeprefix('text_model.')}"] = (down, up)
    return factors


@pytest.fixture(scope="session")
def alphas() -> float:
    """The alpha of the adapters that state one; their rank is 3."""
    return 1.5


@pytest.fixture(scope="session")
def peft_lora(lora_factors: Any, alphas: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The factors in PEFT's names, alpha in the metadata."""
    path = tmp_path_factory.mktemp("loras") / "peft.safetensors"
    tensors = {}
    for module, (down, up) in lora_factors.items():
        tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"] = down, up
    stated = {f"{part}.{key}": value for part in ("unet", "text_encoder") for key, value in _peft(alphas)}
    save_file(tensors, path, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(stated)})
    return path


def _peft(alpha: float) -> tuple[tuple[str, Any], ...]:
    return (("r", 3), ("lora_alpha", alpha), ("use_dora", False), ("use_rslora", False))


@pytest.fixture(scope="session")
def kohya_lora(lora_factors: Any, alphas: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The factors in kohya's names, with alpha scalars."""
    path = tmp_path_factory.mktemp("loras") / "kohya.safetensors"
    tensors = {}
    for module, (down, up) in lora_factors.items():
        part, _, inner = module.partition(".")
        prefix = "lora_unet_" if part == "unet" else "lora_te_text_model_"
        key = prefix + inner.replace(".", "_")
        tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"] = down, up
        tensors[f"{key}.alpha"] = torch.tensor(alphas)
    save_file(tensors, path)
    return path


@pytest.fixture(scope="session")
def diffusers_lora(lora_factors: Any, alphas: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The factors in diffusers' names; alpha is folded into the up factor, for these names state none."""
    path = tmp_path_factory.mktemp("loras") / "diffusers.safetensors"
    tensors = {}
    for module, (down, up) in lora_factors.items():
        part, _, inner = module.partition(".")
        key = f"{part}.{inner}" if part == "unet" else f"{part}.text_model.{inner}"
        tensors[f"{key}.lora.down.weight"], tensors[f"{key}.lora.up.weight"] = down, up * (alphas / 3)
    save_file(tensors, path)
    return path
