"""Embedded metadata: claims with their evidence, and warnings where tensors show otherwise (M820, M821, M825)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.catalog.reading import Declared, embedded, read_one
from mosaic.catalog.record import Evidence, Record
from mosaic.compiler.types import Kind

Write = Callable[..., Path]
MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
NAMES = {f"{MODULE}.lora_down.weight": (8, 768), f"{MODULE}.lora_up.weight": (640, 8)}
ALPHA = {f"{MODULE}.alpha": 4.0}


@pytest.fixture
def with_metadata(tmp_path: Path, write_tensors: Write) -> Callable[..., Record]:
    """A LoRA for Stable Diffusion 1 of rank 8 and alpha 4 with some metadata, as the catalog reads it."""

    def make(metadata: Mapping[str, str], **options: Any) -> Record:
        path = write_tensors(tmp_path / "neon.safetensors", NAMES, metadata=metadata, scalars=ALPHA)
        found = read_one(path, **options)
        assert isinstance(found, Record), found
        return found

    return make


Make = Callable[..., Record]


def said(record: Record, key: str) -> list[tuple[Any, str, str]]:
    return [(c.value, str(c.evidence), c.source) for c in record.claims if c.key == key]


class TestClaims:
    def test_of_kohya(self, with_metadata: Make) -> None:
        record = with_metadata(
            {
                "ss_base_model_version": "sd_v1",
                "ss_sd_model_name": "ponyDiffusionV6XL.safetensors",
                "ss_new_sd_model_hash": "AB" * 32,
                "ss_network_module": "networks.lora",
                "ss_network_dim": "8",
                "ss_network_alpha": "4.0",
                "ss_resolution": "(512, 768)",
                "ss_clip_skip": "2",
                "ss_output_name": "neon-v2",
                "ss_zero_terminal_snr": "True",
                "ss_tag_frequency": json.dumps(
                    {"5_neon": {"neon style": 20, " cat": 3}, "1_more": {"dog": 7, "cat": 2}}
                ),
            }
        )
        facts = record.facts
        assert (facts.title, facts.family, facts.clip_skip) == ("neon-v2", "sd1", 2)
        assert (facts.native_size, facts.trained_on, facts.lineage) == ((512, 768), "ab" * 32, "pony")
        assert facts.triggers == ("neon style", "dog", "cat")
        assert facts.trigger is None  # the most frequent tag may be anything
        assert said(record, "rank") == [(8, "metadata", "ss_network_dim")]
        assert said(record, "zero_snr") == [(True, "metadata", "ss_zero_terminal_snr")]
        assert said(record, "family") == [("sd1", "header", ""), ("sd1", "metadata", "ss_base_model_version")]
        assert record.warnings == ()

    def test_of_modelspec(self, with_metadata: Make) -> None:
        record = with_metadata(
            {
                "modelspec.title": "Neon",
                "modelspec.author": "Ada",
                "modelspec.description": "Glowing tubes",
                "modelspec.license": "Apache-2.0",
                "modelspec.architecture": "stable-diffusion-v1/lora",
                "modelspec.trigger_phrase": "neon\u200b style",
                "modelspec.tags": "style, light",
                "modelspec.resolution": "512x512",
                "modelspec.merged_from": "a.safetensors, b.safetensors",
            }
        )
        facts = record.facts
        assert (facts.title, record.author, record.description) == ("Neon", "Ada", "Glowing tubes")
        assert (facts.license, facts.license_evidence) == ("Apache-2.0", "metadata")
        # A zero-width space is a token of its own to the trainer.
        assert (facts.trigger, facts.triggers) == ("neon\u200b style", ("neon\u200b style",))
        assert (record.tags, facts.native_size) == (("style", "light"), (512, 512))
        assert said(record, "merged_from")[0][0] == "a.safetensors, b.safetensors"
        assert record.warnings == ()

    @pytest.mark.parametrize(
        ("key", "text", "triggers"),
        [
            ("trigger_words", "neon, glow ", ("neon", "glow")),
            ("trigger_words", '["neon", "glow"]', ("neon", "glow")),
            ("activation_text", "neon, glow", ("neon, glow",)),
            ("trigger_phrase", " neon ", ("neon",)),
            ("trigger_phrase", "x" * 201, ()),
            ("trigger_phrase", "  ", ()),
        ],
    )
    def test_loose_keys(self, key: str, text: str, triggers: tuple[str, ...], with_metadata: Make) -> None:
        facts = with_metadata({key: text}).facts
        assert facts.triggers == triggers
        assert facts.trigger == (triggers[0] if triggers else None)

    def test_what_a_person_says_wins_over_metadata_but_not_over_tensors(self, with_metadata: Make) -> None:
        told = {"modelspec.license": "MIT", "modelspec.title": "Old", "modelspec.trigger_phrase": "old"}
        stated = Declared(
            license="Apache-2.0", title="New", trigger="new", family="sdxl", strengths=(0.2, 1.0)
        )
        record = with_metadata(told, options=stated)
        facts = record.facts
        assert (facts.license, facts.license_evidence) == ("Apache-2.0", "declared")
        assert (facts.title, facts.trigger, facts.triggers) == ("New", "new", ("new", "old"))
        assert (facts.family, facts.strengths) == ("sd1", (0.2, 1.0))
        assert [evidence for _, evidence, _ in said(record, "family")] == ["header", "declared"]
        assert [claim.evidence for claim in record.claims] == sorted(
            (claim.evidence for claim in record.claims), key=list(Evidence).index
        )


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("sd_v1", "sd1"),
        ("sd_v2_768_v", "sd2"),
        ("sdxl_base_v1-0", "sdxl"),
        ("sd3", "sd3"),
        ("flux1", "flux"),
        ("stable-diffusion-v1/lora", "sd1"),
        ("stable-diffusion-v1-lora", "sd1"),
        ("stable-diffusion-v2-768-v/textual-inversion", "sd2"),
        ("stable-diffusion-xl-v1-base/lora", "sdxl"),
        ("stable-diffusion-xl-v1-refiner", "sdxl-refiner"),
        ("stable-diffusion-3-medium/lora", "sd3"),
        ("flux-1-dev/lora", "flux"),
        ("Flux.1 D", "flux"),
        ("SDXL 1.0", "sdxl"),
        ("SD 1.5", "sd1"),
        ("Illustrious", "sdxl"),
        ("Pony", "sdxl"),
        ("Pony V7", None),
        ("chroma", None),
        ("lumina-2", None),
        ("sdxl_refiner", None),
        ("", None),
    ],
)
def test_families_by_name(text: str, family: str | None) -> None:
    assert embedded.family_of_text(text) == family


class TestDisagreement:
    @pytest.mark.parametrize(
        ("metadata", "what", "message"),
        [
            ({"ss_base_model_version": "sdxl_base_v1-0"}, "family", "says family sdxl, its tensors show sd1"),
            (
                {"modelspec.architecture": "flux-1-dev/lora"},
                "family",
                "says family flux, its tensors show sd1",
            ),
            ({"modelspec.architecture": "stable-diffusion-xl-v1-base-lora"}, "family", "says family sdxl"),
            ({"ss_network_dim": "32"}, "rank", "says rank 32, its tensors show 8"),
            ({"ss_network_alpha": "16.0"}, "alpha", "says alpha 16, its tensors show 4"),
            (
                {"ss_network_args": '{"algo": "loha"}'},
                "algorithm",
                "says algorithm loha, its tensors show lora",
            ),
        ],
    )
    def test_the_tensors_win(
        self, metadata: dict[str, str], what: str, message: str, with_metadata: Make
    ) -> None:
        record = with_metadata(metadata)
        (warning,) = record.warnings
        assert (warning.code, str(warning.severity)) == ("M820", "warning")
        assert message in warning.message()
        assert next(iter(metadata)) in warning.help()[0]
        assert record.facts.family == "sd1"

    def test_of_a_prediction(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"conv_in.weight": (8, 4, 3, 3), "time_embedding.linear_1.weight": (8, 8), "v_pred": (0,)}
        names["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"] = (8, 768)
        told = {"modelspec.prediction_type": "epsilon"}
        record = read_one(write_tensors(tmp_path / "v.safetensors", names, metadata=told))
        assert isinstance(record, Record)
        assert record.facts.prediction == "v"
        assert [(w.code, w.message().partition(": ")[2]) for w in record.warnings] == [
            ("M820", "its metadata says prediction epsilon, its tensors show v")
        ]

    def test_of_a_digest(self, with_metadata: Make) -> None:
        actual = with_metadata({}).facts.files[0].autov3
        assert with_metadata({"modelspec.hash_sha256": f"0x{actual}"}).warnings == ()
        (warning,) = with_metadata({"modelspec.hash_sha256": "0x" + "ab" * 32}).warnings
        assert warning.code == "M821"
        assert warning.help() == (f"its tensors have {actual[:12]}, its metadata says abababababab",)

    def test_an_unknown_family_is_told_by_metadata(self, tmp_path: Path, write_tensors: Write) -> None:
        module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
        names = {f"{module}.lora_down.weight": (4, 640), f"{module}.lora_up.weight": (640, 4)}
        path = write_tensors(tmp_path / "slider.safetensors", names)
        silent = read_one(path)
        assert isinstance(silent, Record)
        assert [warning.code for warning in silent.warnings] == ["M825"]
        told = {"ss_base_model_version": "sdxl_base_v1-0"}
        stated = read_one(write_tensors(path, names, metadata=told))
        assert isinstance(stated, Record)
        assert (stated.facts.family, stated.warnings) == ("sdxl", ())
        assert said(stated, "family") == [("sdxl", "metadata", "ss_base_model_version")]


KEYS = [
    "ss_tag_frequency",
    "ss_network_args",
    "ss_network_dim",
    "ss_network_alpha",
    "ss_clip_skip",
    "ss_resolution",
    "modelspec.resolution",
    "ss_new_sd_model_hash",
    "modelspec.hash_sha256",
    "modelspec.prediction_type",
    "modelspec.tags",
    "modelspec.license",
    "trigger_words",
    "base_model",
]


class TestHostileMetadata:
    @pytest.mark.parametrize(
        "text",
        [
            "[" * 100_000,
            '{"a":' * 50_000,
            "{}",
            "[]",
            "null",
            "",
            '{"a": 1}',
            '{"a": {"b": "c"}}',
            '{"a": {"b": true}}',
        ],
    )
    def test_json_in_texts(self, text: str, with_metadata: Make) -> None:
        told = {
            "ss_tag_frequency": text,
            "ss_network_args": text,
            "trigger_words": text,
            "modelspec.tags": text,
        }
        record = with_metadata(told)
        assert all(len(trigger) <= 200 for trigger in record.facts.triggers)

    def test_everything_is_bounded(self, with_metadata: Make) -> None:
        long = "x" * 100_000
        keys = [name for _, name in embedded._TEXTS]
        tags = {
            "1_a": {f"{long[:250]}{number}": number for number in range(100)}
            | {f"t{n}": n for n in range(9_000)}
        }
        record = with_metadata(
            dict.fromkeys([*keys, "modelspec.license", "ss_sd_model_name", "trigger_words"], long)
            | {"ss_tag_frequency": json.dumps(tags), "modelspec.tags": ",".join(map(str, range(10_000)))}
        )
        assert len(json.dumps([claim.value for claim in record.claims])) < 60_000
        assert record.facts.triggers[-8:] == tuple(f"t{n}" for n in range(8_999, 8_991, -1))
        assert len(record.tags) == 32

    @settings(max_examples=200, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(KEYS),
            st.one_of(
                st.text(max_size=60),
                st.recursive(
                    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
                    lambda inner: (
                        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
                    ),
                    max_leaves=8,
                ).map(json.dumps),
            ),
        )
    )
    def test_any_texts(self, told: dict[str, str]) -> None:
        for claim in embedded.claims(told, Kind.LORA):
            json.dumps(claim.value, allow_nan=False)
