"""What a person states in a file beside an expert, and what is said of one with mistakes (M822, M823, M824)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.catalog.reading import Declared, Naming, Refusal, read_one
from mosaic.catalog.record import Record
from mosaic.compiler.diagnostic import Diagnostic

Write = Callable[..., Path]
MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_k"
NAMES = {f"{MODULE}.lora_down.weight": (8, 640), f"{MODULE}.lora_up.weight": (640, 8)}


@pytest.fixture
def beside(tmp_path: Path, write_tensors: Write) -> Callable[[str], Record | Refusal]:
    """A LoRA of no family with a sidecar."""

    def make(text: str) -> Record | Refusal:
        path = write_tensors(tmp_path / "neon.safetensors", NAMES)
        (tmp_path / "neon.expert.toml").write_text(text, encoding="utf-8")
        return read_one(path)

    return make


Beside = Callable[[str], Record | Refusal]


def test_a_statement_against_the_tensors_is_not_passed_over(tmp_path: Path, write_tensors: Write) -> None:
    module = MODULE.replace("attn1", "attn2")
    path = write_tensors(
        tmp_path / "neon.safetensors",
        {f"{module}.lora_down.weight": (8, 768), f"{module}.lora_up.weight": (640, 8)},
    )
    (tmp_path / "neon.expert.toml").write_text('family = "sdxl"\n', encoding="utf-8")
    record = read_one(path)
    assert isinstance(record, Record)
    assert record.facts.family == "sd1"
    assert [warning.message() for warning in record.warnings] == [
        f"`{path}`: family sdxl is stated (neon.expert.toml), its tensors show sd1"
    ]


def test_every_statement(beside: Beside) -> None:
    record = beside(
        """
        id = "studio/neon"
        title = "Neon"
        description = "Glowing tubes"
        author = "Ada"
        trigger = "neon style"
        license = "Apache-2.0"
        rating = "mature"
        strengths = [0.25, 1]
        excludes = ["studio/watercolor"]
        last = true
        tags = ["light"]
        family = "sdxl"
        clip_skip = 2
        """
    )
    assert isinstance(record, Record)
    facts = record.facts
    assert (facts.id, facts.title, facts.trigger, facts.license) == (
        "studio/neon",
        "Neon",
        "neon style",
        "Apache-2.0",
    )
    assert (facts.rating, facts.strengths, facts.excludes) == ("mature", (0.25, 1.0), ("studio/watercolor",))
    assert (facts.last, record.tags, facts.family, facts.clip_skip) == (True, ("light",), "sdxl", 2)
    assert (record.description, record.author, record.warnings) == ("Glowing tubes", "Ada", ())
    assert {claim.source for claim in record.claims if claim.evidence == "declared"} == {"neon.expert.toml"}


def test_in_a_folder(tmp_path: Path, write_tensors: Write) -> None:
    folder = tmp_path / "neon"
    write_tensors(folder / "pytorch_lora_weights.safetensors", NAMES)
    (folder / "expert.toml").write_text('license = "MIT"')
    for path in (folder, folder / "pytorch_lora_weights.safetensors"):
        record = read_one(path)
        assert isinstance(record, Record)
        assert (record.facts.id, record.facts.license) == ("local/neon", "MIT")


def test_options_win_over_a_sidecar(tmp_path: Path, write_tensors: Write) -> None:
    path = write_tensors(tmp_path / "neon.safetensors", NAMES)
    (tmp_path / "neon.expert.toml").write_text('license = "MIT"\ntitle = "Neon"\nlast = true')
    record = read_one(path, options=Declared(license="Apache-2.0", last=False), ids=Naming("studio"))
    assert isinstance(record, Record)
    assert (record.facts.license, record.facts.title, record.facts.last) == ("Apache-2.0", "Neon", False)
    assert record.facts.id == "studio/neon"


@pytest.mark.parametrize(
    ("code", "text", "at"),
    [
        ("M822", "license = Apache-2.0", "license = Apache-2.0"),
        ("M822", 'title = "Neon"\nlast = perhaps', "last = perhaps"),
        ("M822", 'title = "Neon', 'title = "Neon'),
        ("M823", 'licence = "MIT"', "licence"),
        ("M823", 'title = "Neon"\n[extra]\nx = 1', "extra"),
        ("M824", 'strengths = "strong"', "strengths"),
        ("M824", "strengths = [1.0, 0.5]", "strengths"),
        ("M824", "strengths = [nan, 1.0]", "strengths"),
        ("M824", "strengths = [true, 1.0]", "strengths"),
        ("M824", 'rating = "spicy"', "rating"),
        ("M824", 'last = "yes"', "last"),
        ("M824", "excludes = [3]", "excludes"),
        ("M824", 'excludes = ["../elsewhere"]', "excludes"),
        ("M824", 'id = "./neon"', "id"),
        ("M824", "clip_skip = 0", "clip_skip"),
        ("M824", 'title = ""', "title"),
        ("M824", 'family = "sd9"', "family"),
    ],
)
def test_mistakes(code: str, text: str, at: str, beside: Beside) -> None:
    found = beside(text)
    assert isinstance(found, Refusal)
    (diagnostic,) = found.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None
    assert diagnostic.span.text == at
    assert diagnostic.message().startswith("`")


def test_every_mistake_at_once_with_a_fix(beside: Beside) -> None:
    found = beside('licence = "MIT"\nrating = 3\n')
    assert isinstance(found, Refusal)
    assert [diagnostic.code for diagnostic in found.diagnostics] == ["M823", "M824"]
    (fix,) = found.diagnostics[0].fixes()
    assert fix.edits[0].replacement == "license"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 100_000, b"\0"])
def test_what_is_no_toml(content: bytes, tmp_path: Path, write_tensors: Write) -> None:
    path = write_tensors(tmp_path / "neon.safetensors", NAMES)
    (tmp_path / "neon.expert.toml").write_bytes(content)
    found = read_one(path)
    assert isinstance(found, Refusal)
    assert found.diagnostics[0].code in ("M812", "M822")


def test_options_are_judged_too(tmp_path: Path, write_tensors: Write) -> None:
    path = write_tensors(tmp_path / "neon.safetensors", NAMES)
    found = read_one(path, options=Declared(rating="spicy", strengths=(2.0, 1.0)))
    assert isinstance(found, Refusal)
    assert [_shown(diagnostic) for diagnostic in found.diagnostics] == [
        ("M824", "rating"),
        ("M824", "strengths"),
    ]


def _shown(diagnostic: Diagnostic) -> tuple[str, str]:
    return diagnostic.code, str(getattr(diagnostic, "key", ""))
