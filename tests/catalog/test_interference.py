"""Interference from factors equals interference from whole deltas, for every kind of factor that is met.

The oracle materialises every delta in float64 and takes singular value decompositions. Tolerances: 1e-9 for inner
products and norms (sums of products of the same float64 numbers in another order), 1e-6 for spaces, whose directions
may be as weak as 1e-5 of the strongest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.catalog.interference import interference
from mosaic.compiler.diagnostic import MosaicError
from mosaic.stdlib import zoo

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file

Array = np.ndarray


@dataclass(frozen=True)
class Part:
    """One module of a made adapter: the factors and what they mean."""

    up: Array
    down: Array
    alpha: float | None = None
    mid: Array | None = None

    @property
    def delta(self) -> Array:
        rank = self.down.shape[0]
        scale = 1.0 if self.alpha is None else self.alpha / rank
        up, down = self.up.reshape(len(self.up), rank), self.down
        if self.mid is None:
            return scale * up @ down.reshape(rank, -1)
        core = np.einsum("or,rskl,si->oikl", up, self.mid, down.reshape(rank, -1))
        return scale * core.reshape(len(up), -1)


NAMES = (
    "down_blocks.0.attentions.0.proj_in",
    "mid_block.resnets.0.conv1",
    "up_blocks.1.attentions.2.proj_out",
)


def write(path: Path, parts: Mapping[str, Part], dtype: torch.dtype = torch.float64) -> Path:
    tensors = {}
    for module, part in parts.items():
        tensors[f"unet.{module}.lora.down.weight"] = torch.from_numpy(part.down.copy()).to(dtype)
        tensors[f"unet.{module}.lora.up.weight"] = torch.from_numpy(part.up.copy()).to(dtype)
        if part.mid is not None:
            tensors[f"lora_unet_{module.replace('.', '_')}.lora_mid.weight"] = torch.from_numpy(
                part.mid.copy()
            )
        if part.alpha is not None:
            tensors[f"unet.{module}.alpha"] = torch.tensor(part.alpha, dtype=torch.float64)
    save_file(tensors, path)
    return path


def basis(delta: Array) -> tuple[Array, Array]:
    left, values, right = np.linalg.svd(delta, full_matrices=False)
    kept = values > values[0] * 1e-5 if len(values) and values[0] > 0 else np.zeros(len(values), bool)
    return left[:, kept], right[kept].T


def oracle(a: Mapping[str, Part], b: Mapping[str, Part]) -> dict[str, float]:
    """By whole deltas."""
    inner = energy = conflict = overlap = chance = 0.0
    squares = [0.0, 0.0]
    for name in a.keys() & b.keys():
        one, two = a[name].delta, b[name].delta
        product, joint = float((one * two).sum()), float(np.linalg.norm(one) * np.linalg.norm(two))
        inner, energy = inner + product, energy + joint
        conflict += joint if product < 0 else 0.0
        squares = [squares[0] + (one**2).sum(), squares[1] + (two**2).sum()]
        (left, right), (left_, right_) = basis(one), basis(two)
        smaller, larger = sorted((left.shape[1], left_.shape[1]))
        if smaller:
            met = np.linalg.norm(left.T @ left_) ** 2 + np.linalg.norm(right.T @ right_) ** 2
            overlap += joint * met / (2 * smaller)
            chance += joint * (larger / one.shape[0] + larger / one.shape[1]) / 2
    if not energy:
        return dict.fromkeys(("cosine", "overlap", "conflict", "chance"), 0.0)
    return {
        "cosine": inner / np.sqrt(squares[0] * squares[1]),
        "overlap": overlap / energy,
        "conflict": conflict / energy,
        "chance": chance / energy,
    }


@st.composite
def adapters(draw: st.DrawFn) -> tuple[dict[str, Part], dict[str, Part]]:
    """Two adapters of one base: linear, convolution and Tucker modules, any ranks, alphas, shared directions."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    both: tuple[dict[str, Part], dict[str, Part]] = ({}, {})
    for name in NAMES:
        out, wide, kernel = draw(st.sampled_from([(5, 7, 1), (8, 6, 3), (12, 12, 1), (4, 9, 2)]))
        for parts in both:
            if not draw(st.integers(0, 4)):
                continue
            rank = draw(st.integers(1, 6))
            tucker = kernel > 1 and draw(st.booleans())
            extent = (1, 1) if tucker else (kernel, kernel)
            down = random.normal(size=(rank, wide, *extent))
            up = random.normal(size=(out, rank, 1, 1))
            if draw(st.booleans()) and rank > 1:
                up[:, 0] = up[:, 1]  # a rank lower than it seems
            if not draw(st.integers(0, 9)):
                up[:] = 0  # never trained
            mid = random.normal(size=(rank, rank, kernel, kernel)) if tucker else None
            alpha = draw(st.sampled_from([None, 1.0, 4.0, -2.0, 0.0]))
            parts[name] = Part(up, down, alpha, mid)
    one, two = both
    share = [name for name in one if name in two and one[name].mid is None and two[name].mid is None]
    for name in share:
        if draw(st.booleans()):  # the same directions, wholly or in part
            count = min(one[name].up.shape[1], two[name].up.shape[1])
            two[name].up[:, :count] = draw(st.sampled_from([1.0, -1.0])) * one[name].up[:, :count]
            two[name].down[:count] = one[name].down[:count]
    return both


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=adapters())
def test_factors_say_what_deltas_say(made: tuple[dict[str, Part], dict[str, Part]], tmp_path: Path) -> None:
    one, two = made
    if not one or not two:
        return
    found = interference(write(tmp_path / "a.safetensors", one), write(tmp_path / "b.safetensors", two))
    assert found is not None
    expected = oracle(one, two)
    assert found.shared == len(one.keys() & two.keys())
    assert found.cosine == pytest.approx(expected["cosine"], abs=1e-9)
    assert found.overlap == pytest.approx(expected["overlap"], abs=1e-6)
    assert found.chance == pytest.approx(expected["chance"], abs=1e-9)
    if all(abs((one[n].delta * two[n].delta).sum()) > 1e-9 for n in one.keys() & two.keys()):
        assert found.conflict == pytest.approx(expected["conflict"], abs=1e-9)
    swapped = interference(tmp_path / "b.safetensors", tmp_path / "a.safetensors")
    assert swapped is not None
    assert (swapped.cosine, swapped.overlap) == pytest.approx((found.cosine, found.overlap), abs=1e-6)


def simple(seed: int = 0, rank: int = 4, out: int = 16, wide: int = 24) -> Part:
    random = np.random.default_rng(seed)
    return Part(random.normal(size=(out, rank)), random.normal(size=(rank, wide)))


def test_an_adapter_and_itself_and_its_negative(tmp_path: Path) -> None:
    part = simple()
    a = write(tmp_path / "a.safetensors", {NAMES[0]: part, NAMES[2]: simple(1)})
    b = write(tmp_path / "b.safetensors", {NAMES[0]: replace(part, up=-part.up), NAMES[2]: simple(1)})
    same = interference(a, a)
    assert same is not None
    assert (same.cosine, same.overlap, same.conflict) == pytest.approx((1, 1, 0))
    against = interference(a, b)
    assert against is not None
    assert against.overlap == pytest.approx(1)
    energy = [np.linalg.norm(each.delta) ** 2 for each in (part, simple(1))]
    assert against.conflict == pytest.approx(energy[0] / sum(energy))
    assert dict(against.layers) == pytest.approx(
        {"unet_down_blocks_0_attentions_0_proj_in": -1, "unet_up_blocks_1_attentions_2_proj_out": 1}
    )
    assert [name for name, _ in against.layers] == sorted(
        dict(against.layers), key=lambda name: energy["up" in name.split("_")[1]], reverse=True
    )


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float32, 1e-6),
        (torch.float16, 1e-3),
        (torch.bfloat16, 1e-2),
        (torch.float8_e4m3fn, 0.05),
        (torch.float8_e5m2, 0.1),
    ],
)
def test_number_formats(dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
    """Stored numbers are read exactly: compared with torch's reading of them, and near the float64 ones."""
    one, two = {NAMES[0]: simple(1)}, {NAMES[0]: simple(2)}
    two[NAMES[0]].up[:, :2] = one[NAMES[0]].up[:, :2]
    two[NAMES[0]].down[:2] = one[NAMES[0]].down[:2]
    exact = oracle(one, two)["cosine"]
    stored = [
        {
            n: Part(*(torch.from_numpy(f).to(dtype).double().numpy() for f in (p.up, p.down)))
            for n, p in each.items()
        }
        for each in (one, two)
    ]
    found = interference(
        write(tmp_path / "a.safetensors", one, dtype), write(tmp_path / "b.safetensors", two, dtype)
    )
    assert found is not None
    assert found.cosine == pytest.approx(oracle(*stored)["cosine"], abs=1e-9)
    assert found.cosine == pytest.approx(exact, abs=tolerance)


SPELLINGS = {
    "diffusers": "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora.{}.weight",
    "old diffusers": "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.{}.weight",
    "peft": "base_model.model.unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_{}.weight",
    "kohya": "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_{}.weight",
    "kohya ldm": "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_{}.weight",
    "ldm": "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.lora_{}.weight",
}


def spelt(path: Path, spelling: str, part: Part) -> Path:
    pattern = SPELLINGS[spelling]
    words = ("A", "B") if spelling == "peft" else ("down", "up")
    tensors = {
        pattern.format(word): torch.from_numpy(f) for word, f in zip(words, (part.down, part.up), strict=True)
    }
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_one_module_meet(spelling: str, tmp_path: Path) -> None:
    a = spelt(tmp_path / "a.safetensors", "diffusers", simple(3))
    found = interference(a, spelt(tmp_path / "b.safetensors", spelling, simple(3)))
    assert found is not None
    assert (found.shared, found.cosine) == (1, pytest.approx(1))


@pytest.mark.parametrize(
    "leaf", [("resnets.0.conv1", "0_in_layers_2"), ("resnets.0.conv_shortcut", "0_skip_connection")]
)
def test_convolutions_of_the_original_layout(leaf: tuple[str, str], tmp_path: Path) -> None:
    names = (
        f"unet.up_blocks.1.{leaf[0]}.lora.{{}}.weight",
        f"lora_unet_output_blocks_3_{leaf[1]}.lora_{{}}.weight",
    )
    part, paths = simple(4), []
    for number, pattern in enumerate(names):
        factors = {"down": part.down[:, :, None, None], "up": part.up[:, :, None, None]}
        path = tmp_path / f"{number}.safetensors"
        save_file({pattern.format(word): torch.from_numpy(f.copy()) for word, f in factors.items()}, path)
        paths.append(path)
    found = interference(*paths)
    assert found is not None
    assert found.shared == 1


def test_alpha_of_peft_is_read_from_metadata(tmp_path: Path) -> None:
    """Alphas scale modules apart, so they change a cosine over two modules."""
    one, two = simple(5), simple(6)
    stated = {"unet.r": 4, "unet.lora_alpha": 4, "unet.alpha_pattern": {"mid_block.resnets.0.conv1": 40}}
    tensors = {}
    for module, part in zip(NAMES, (one, two), strict=False):
        tensors[f"unet.{module}.lora_A.weight"] = torch.from_numpy(part.down)
        tensors[f"unet.{module}.lora_B.weight"] = torch.from_numpy(part.up)
    save_file(tensors, tmp_path / "a.safetensors", metadata={"lora_adapter_metadata": json.dumps(stated)})
    other = {NAMES[0]: one, NAMES[1]: replace(two, up=-two.up)}
    found = interference(tmp_path / "a.safetensors", write(tmp_path / "b.safetensors", other))
    assert found is not None
    expected = oracle({NAMES[0]: one, NAMES[1]: replace(two, alpha=40.0)}, other)
    assert found.cosine == pytest.approx(expected["cosine"], abs=1e-9)


def test_what_cannot_be_told_is_not_told(tmp_path: Path) -> None:
    good = write(tmp_path / "good.safetensors", {NAMES[0]: simple()})
    wide = write(tmp_path / "wide.safetensors", {NAMES[0]: simple(wide=32)})
    broken = simple()
    broken.up[0, 0] = np.nan
    nans = write(tmp_path / "nan.safetensors", {NAMES[0]: broken})
    dora, whole = tmp_path / "dora.safetensors", tmp_path / "whole.safetensors"
    pair = {"unet.x.lora_A.weight": torch.ones(2, 3), "unet.x.lora_B.weight": torch.ones(3, 2)}
    save_file({**pair, "unet.x.lora_magnitude_vector": torch.ones(3)}, dora)
    save_file({"unet.x.weight": torch.ones(2, 2)}, whole)
    integers, half = tmp_path / "int.safetensors", tmp_path / "half.safetensors"
    save_file(
        {f"unet.{NAMES[0]}.lora_{side}.weight": torch.ones(3, 3, dtype=torch.int8) for side in "AB"}, integers
    )
    save_file({f"unet.{NAMES[0]}.lora_A.weight": torch.ones(4, 24)}, half)
    for other in (wide, nans, dora, whole, integers, half):
        assert interference(good, other) is None, other.name
        assert interference(other, good) is None, other.name


def test_nothing_in_common_is_no_interference(tmp_path: Path) -> None:
    a = write(tmp_path / "a.safetensors", {NAMES[0]: simple()})
    found = interference(a, write(tmp_path / "b.safetensors", {NAMES[2]: simple()}))
    assert found is not None
    assert (found.shared, found.cosine, found.layers) == (0, 0.0, ())


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"not at all")
    good = write(tmp_path / "good.safetensors", {NAMES[0]: simple()})
    with pytest.raises(MosaicError):
        interference(good, tmp_path / "a.safetensors")


def test_without_numpy_nothing_is_told(tmp_path: Path) -> None:
    good = write(tmp_path / "good.safetensors", {NAMES[0]: simple()})
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from pathlib import Path\nfrom mosaic.catalog.interference import interference\n"
        f"print(interference(Path({str(good)!r}), Path({str(good)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_a_random_pair_shares_what_chance_gives(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{seed}.safetensors", {NAMES[0]: simple(seed, 8, 96, 192)}) for seed in range(12)
    ]
    found = [interference(a, b) for a, b in pairwise(paths)]
    shares = [each.overlap / each.chance for each in found if each is not None]
    assert np.mean(shares) == pytest.approx(1, abs=0.1)


def test_zoo_adapters_are_nearly_orthogonal() -> None:
    root = zoo.root() / "models"
    found = interference(root / "neon.safetensors", root / "tiles.safetensors")
    assert found is not None
    assert abs(found.cosine) < 0.05
    assert found.shared == 72
    assert found.overlap > found.chance
