"""Networks that come to the device one at a time: the same bytes, and who is there when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from weakref import WeakSet

import pytest
import torch

from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.engine import Engine
from mosaic.runtime.families.sd1 import SD1
from mosaic.runtime.residence import HERE, Offloaded, computing

PLAN = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let hat = lora("zoo/hat")
  let other = checkpoint("zoo/robot")
  let photo = sample({model}, prompt: "a red cat", steps: 3, guidance: 3, size: 64x64, seed: 1)
  emit photo as "a.png"
  emit refine(base, decode(photo), strength: 0.5, prompt: "a cat", steps: 4, guidance: 3) as "b.safetensors"
}}
"""


class Device:
    """Stands for a device of its own: everything that is brought there is a copy. `there` are those that are alive."""

    def __init__(self) -> None:
        self.there: WeakSet[torch.Tensor] = WeakSet()
        self.brought: list[torch.Tensor] = []
        self.most = 0

    def bring(self, tensor: torch.Tensor) -> torch.Tensor:
        copy = tensor.clone()
        self.there.add(copy)
        self.brought.append(tensor)
        self.most = max(self.most, sum(each.nbytes for each in self.there))
        return copy


def offloading(device: Device) -> Engine:
    runner = engine(device="cpu")
    runner.device = replace(runner.device, residence=Offloaded(device.bring))
    return runner


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which networks computed, in order."""
    order: list[str] = []
    for name in ("encode_text", "predict", "decode", "encode_image"):
        original = getattr(SD1, name)

        def told(self: SD1, *given: object, _name: str = name, _original: object = original) -> object:
            order.append(_name)
            return _original(self, *given)  # type: ignore[operator]

        monkeypatch.setattr(SD1, name, told)
    yield order


@pytest.mark.parametrize(
    "model",
    [
        "base",
        "fuse(base, neon, hat, via: sum)",
        "fuse(base, neon, hat, via: composite)",
        "fuse(base, neon * 0.5, other * 0.5, via: guidance)",
        "fuse(base, neon, hat, via: switch)",
    ],
)
def test_bytes_are_the_same(model: str, tmp_path: Path) -> None:
    (program,) = Project().compile(SourceFile("<test>", PLAN.format(model=model))).programs
    plain = engine(device="cpu").run(program, tmp_path / "plain")
    device = Device()
    offloaded = offloading(device).run(program, tmp_path / "offloaded")
    assert device.brought
    assert [each.sha256 for each in plain.emitted] == [each.sha256 for each in offloaded.emitted]
    assert plain.evaluations == offloaded.evaluations


def test_networks_come_once_for_a_whole_run_and_one_at_a_time(tmp_path: Path, entered: list[str]) -> None:
    (program,) = Project().compile(SourceFile("<test>", PLAN.format(model="base"))).programs
    device = Device()
    runner = offloading(device)
    runner.run(program, tmp_path)
    base = runner.base(program.experts[0])
    size = {
        name: sum(each.nbytes for each in module.parameters())
        for name, module in (
            ("text", base.text_encoder.module),
            ("unet", base.unet.module),
            ("vae", base.vae.module),
        )
    }
    assert device.most == max(size.values()), "never two of them"
    owners = {
        each.data_ptr(): name
        for name, module in (
            ("text", base.text_encoder.module),
            ("unet", base.unet.module),
            ("vae", base.vae.module),
        )
        for each in module.parameters()
    }
    comings = [owners[tensor.data_ptr()] for tensor in device.brought]
    turns = [name for at, name in enumerate(comings) if at == 0 or comings[at - 1] != name]
    used = [{"encode_text": "text", "predict": "unet"}.get(name, "vae") for name in entered]
    assert turns == [name for at, name in enumerate(used) if at == 0 or used[at - 1] != name]
    assert entered.count("predict") > turns.count("unet"), "not once a step"


def test_outside_of_its_turn_a_network_lies_in_main_memory() -> None:
    module = torch.nn.Linear(3, 2)
    before = [parameter.data_ptr() for parameter in module.parameters()]
    device = Device()
    residence = Offloaded(device.bring)
    changed = torch.ones(2, 3)
    with computing(module, residence, {module.weight: changed}):
        assert torch.equal(module.weight, changed)
        assert module.weight.data_ptr() != changed.data_ptr()
    assert [parameter.data_ptr() for parameter in module.parameters()] == before
    assert len(device.brought) == 2
    with computing(module, residence, {module.weight: changed}):
        pass
    assert len(device.brought) == 2, "it was still there"
    with computing(module, residence):
        pass
    assert len(device.brought) == 3, "only the matrix is another"
    with computing(torch.nn.Linear(1, 1), residence):
        assert len(device.there) == 2


def test_what_fails_leaves_a_network_as_it_was() -> None:
    module = torch.nn.Linear(3, 2)
    before = module.weight.data_ptr()
    with pytest.raises(ZeroDivisionError), computing(module, HERE, {module.weight: torch.ones(2, 3)}):
        raise ZeroDivisionError
    assert module.weight.data_ptr() == before


def test_a_device_that_computes_in_main_memory_has_nothing_to_offload() -> None:
    assert (
        Engine(
            locate=lambda file: Path(file.location), operators={}, device="cpu", offload=True
        ).device.residence
        is HERE
    )
