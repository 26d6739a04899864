"""Latents that are carried from one latent space into another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Align, Expert
from mosaic.runtime.align import carry
from mosaic.runtime.bridges import Bridge, read_bridge, write_bridge
from mosaic.runtime.denoise import SCHEDULERS
from mosaic.runtime.files import Reader
from mosaic.runtime.values import Latent, Model, Run


def identity(channels: int, kernel: int = 1) -> Bridge:
    """Maps every latent to itself."""
    weight = torch.zeros(channels, channels, kernel, kernel)
    weight[range(channels), range(channels), kernel // 2, kernel // 2] = 1
    return Bridge("t/itself", "a", "b", weight, torch.zeros(channels))


@pytest.fixture
def model(engine: Any, tiny: Any) -> Model:
    return Model.of(engine.base(tiny.expert))


@pytest.fixture
def half(model: Model, bench: Any, build: Any, tiny: Any) -> Any:
    """A run that stands at its half, by scheduler."""

    def cut(name: str = "ddim") -> Latent:
        from mosaic.runtime.denoise import build_scheduler

        scheduler = build_scheduler(name, 4, model.base.scheduler, model.base.id)
        generator = torch.Generator("cpu").manual_seed(3)
        shape = (1, model.vae.channels, 8, 8)
        sample = torch.randn(shape, generator=generator)
        clean = torch.randn(shape, generator=generator)
        return Latent(sample, Run(name, scheduler, scheduler.timesteps, 2, generator.get_state()), clean)

    return cut


def test_a_finished_latent_is_mapped_and_in_no_run(model: Model, half: Any) -> None:
    cut = half()
    bridge = identity(model.vae.channels)
    encoded = carry(Latent(cut.sample, None), model, model, bridge)
    done = carry(replace(cut, run=replace(cut.run, position=4)), model, model, bridge)
    assert torch.equal(encoded.sample, cut.sample)
    assert torch.equal(done.sample, cut.sample)
    assert encoded.run is None
    assert done.run is None


def test_a_linear_bridge_is_a_convolution_with_zeros_beyond_the_edge(model: Model) -> None:
    generator = torch.Generator().manual_seed(1)
    channels = model.vae.channels
    weight, bias = (
        torch.randn(*shape, generator=generator) for shape in ((channels, channels, 3, 3), (channels,))
    )
    latents = torch.randn(2, channels, 5, 7, generator=generator)
    carried = Bridge("t/b", "a", "b", weight, bias).carry(latents)
    padded = torch.zeros(2, channels, 7, 9, dtype=torch.float64)
    padded[:, :, 1:-1, 1:-1] = latents
    for row, out, y, x in ((0, 0, 0, 0), (1, channels - 1, 4, 6), (1, 1, 2, 3)):
        wanted = (padded[row, :, y : y + 3, x : x + 3] * weight[out].double()).sum() + bias[out]
        assert float(carried[row, out, y, x]) == pytest.approx(float(wanted), abs=1e-4)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_an_unfinished_latent_is_re_noised_to_where_it_stands(name: str, model: Model, half: Any) -> None:
    cut = half(name)
    carried = carry(cut, model, model, identity(model.vae.channels))
    run = carried.run
    assert run is not None and carried.clean is not None
    assert (run.name, run.position, run.total) == (name, 2, 4)
    assert torch.equal(carried.clean, cut.clean)
    # The noise is the next that the run's own generator draws, and so its state goes on.
    generator = torch.Generator("cpu")
    generator.set_state(cut.run.generator)
    noise = torch.randn(cut.clean.shape, generator=generator)
    assert torch.equal(run.generator, generator.get_state())
    assert not torch.equal(run.generator, cut.run.generator)
    # A noisy latent is a·clean + s·noise with one a and one s; both are of the level at this step.
    scheduler = cut.run.scheduler
    kept = float(scheduler.alphas_cumprod[int(run.timesteps[2])])
    signal, spread = kept**0.5, (1 - kept) ** 0.5
    if name in ("euler", "euler_a"):
        signal, spread = 1.0, float(scheduler.sigmas[2])
    tolerance = 2e-2 if name in ("dpmpp_2m", "unipc", "euler", "euler_a") else 1e-5
    assert torch.allclose(carried.sample, signal * cut.clean + spread * noise, atol=tolerance)


def test_the_same_latent_carried_twice_is_the_same(model: Model, half: Any) -> None:
    cut = half("euler_a")
    first, second = (carry(cut, model, model, identity(model.vae.channels)) for _ in range(2))
    assert torch.equal(first.sample, second.sample)
    assert torch.equal(first.run.generator, second.run.generator)


def test_rows_have_noise_of_their_own_and_the_first_that_of_one_alone(model: Model, half: Any) -> None:
    cut = half()
    two = replace(cut, sample=cut.sample.repeat(2, 1, 1, 1), clean=cut.clean.repeat(2, 1, 1, 1))
    one, both = (carry(each, model, model, identity(model.vae.channels)) for each in (cut, two))
    assert torch.equal(both.sample[:1], one.sample)
    assert not torch.equal(both.sample[1:], one.sample)


def test_without_a_bridge_it_goes_through_the_picture(model: Model, half: Any) -> None:
    cut = half()
    family, vae = model.base.family, model.vae
    wanted = family.encode_image(vae, family.decode(vae, cut.clean).clamp(-1, 1))
    assert torch.equal(carry(cut, model, model, None).clean, wanted)
    assert torch.equal(carry(Latent(cut.clean, None), model, model, None).sample, wanted)


def test_a_run_without_a_prediction_is_not_carried(model: Model, half: Any) -> None:
    with pytest.raises(MosaicError, match="M466: the latent stands at step 2 of 4"):
        carry(replace(half(), clean=None), model, model, identity(model.vae.channels))


def test_what_does_not_fit_is_refused(model: Model, half: Any) -> None:
    cut, channels = half(), model.vae.channels
    with pytest.raises(
        MosaicError, match=f"M467: bridge `t/itself` does not fit: it reads {channels + 1} channels"
    ):
        carry(cut, model, model, identity(channels + 1))
    wide = Bridge("t/wide", "a", "b", torch.zeros(channels + 2, channels, 1, 1), torch.zeros(channels + 2))
    with pytest.raises(MosaicError, match=f"M467.*it gives {channels + 2} channels"):
        carry(cut, model, model, wide)
    coarse = replace(model, vae=replace(model.vae, factor=model.vae.factor * 2))
    with pytest.raises(MosaicError, match=r"M467.*one latent stands for"):
        carry(cut, model, coarse, identity(channels))
    with pytest.raises(MosaicError, match="M456"):
        carry(replace(cut, clean=cut.clean[:, :, :7]), model, coarse, None)
    endless = Bridge(
        "t/inf", "a", "b", torch.full((channels, channels, 1, 1), float("inf")), torch.zeros(channels)
    )
    with pytest.raises(MosaicError, match="M465"):
        carry(cut, model, model, endless)


def _expert(path: Path) -> Expert:
    from hashlib import sha256

    from mosaic.compiler.program import File

    data = path.read_bytes()
    file = File(
        role="bridge", name=path.name, sha256=sha256(data).hexdigest(), size=len(data), location=str(path)
    )
    return Expert(
        id="t/b", kind="bridge", family=None, latent_space="b", prediction=None, trigger=None, license=None,
        title="", files=(file,),
    )  # fmt: skip


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    reader = Reader(lambda file: Path(file.location))
    network = {
        "net.enter.weight": torch.randn(6, 4, 3, 3), "net.enter.bias": torch.zeros(6),
        "net.0.first.weight": torch.randn(6, 6, 3, 3), "net.0.first.bias": torch.zeros(6),
        "net.0.second.weight": torch.randn(6, 6, 3, 3), "net.0.second.bias": torch.zeros(6),
        "net.leave.weight": torch.randn(4, 6, 3, 3), "net.leave.bias": torch.zeros(4),
    }  # fmt: skip
    for number, tensors in enumerate(({}, network)):
        bridge = replace(identity(4, 3), network=tensors)
        first, second = tmp_path / f"{number}.safetensors", tmp_path / f"{number}-again.safetensors"
        assert write_bridge(bridge, first, {"r2": "0.9"}) == write_bridge(bridge, second, {"r2": "0.9"})
        back = read_bridge(reader, _expert(first))
        assert (back.form, back.source, back.target) == (bridge.form, "a", "b")
        latents = torch.randn(1, 4, 6, 6)
        assert torch.equal(back.carry(latents), bridge.carry(latents))


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"weight": torch.zeros(4, 4, 3, 3)}, "lacks"),
        ({"weight": torch.zeros(4, 4, 2, 2), "bias": torch.zeros(4)}, "odd side"),
        ({"weight": torch.zeros(4, 4, 3, 3), "bias": torch.zeros(3)}, "different sizes"),
        ({"weight": torch.zeros(4, 4, 3, 3), "bias": torch.zeros(4), "more": torch.zeros(1)}, "`more`"),
        ({"weight": torch.full((4, 4, 3, 3), float("nan")), "bias": torch.zeros(4)}, "not finite"),
    ],
)
def test_a_file_that_is_none_is_told(tensors: dict[str, torch.Tensor], reason: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "b.safetensors")
    with pytest.raises(MosaicError, match=f"M870.*{reason}"):
        read_bridge(Reader(lambda file: Path(file.location)), _expert(tmp_path / "b.safetensors"))


def test_a_program_carries_and_goes_on(tiny: Any, tuned: Any, bench: Any, build: Any, tmp_path: Path) -> None:
    """There, a step, and back: the run keeps its place, and twice is the same."""
    write_bridge(identity(4), tmp_path / "b.safetensors", {})
    first, second = (build.load(folder.expert) for folder in (tiny, tuned))
    mine, theirs = (build.prompts(model) for model in (first, second))
    bridge = build.expert(_expert(tmp_path / "b.safetensors"))
    half = build.sample(first, mine, until=0.5, scheduler="euler_a")
    ends = []
    for _ in range(2):
        there = build.add(Align(latent=half, source=first, model=second, bridge=bridge))
        on = build.resume(second, there, theirs, until=0.75)
        back = build.add(Align(latent=on, source=second, model=first, bridge=bridge))
        ends.append(build.resume(first, back, mine))
    plain = build.resume(first, half, mine)
    one, two, alone = bench.latents(build, *ends, plain)
    assert torch.equal(one, two)
    assert not torch.equal(one, alone)
