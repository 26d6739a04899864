"""Experts by id, digest and path: every form that is met, and every refusal with its message."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog import LocalExperts, locate
from mosaic.catalog.digests import Digests
from mosaic.catalog.headers import Headers
from mosaic.catalog.spaces import vae_digest
from mosaic.compiler.diagnostic import Diagnostic, InternalError
from mosaic.compiler.errors import inputs
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file

Plan = Callable[..., Span]
KEY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
LORA = {f"{KEY}.lora_A.weight": torch.ones(2, 12), f"{KEY}.lora_B.weight": torch.ones(8, 2)}


def shipped(id: str, kind: str, **more: object) -> dict[str, object]:
    digest = hashlib.sha256(id.encode()).hexdigest()
    leaf = id.rpartition("/")[2]
    files = [{"role": "adapter", "path": f"models/{leaf}.safetensors", "sha256": digest, "size": 10}]
    return {"id": id, "kind": kind, "family": "sd1", "files": files, **more}


INDEX: dict[str, Any] = {
    "experts": [
        shipped(
            "zoo/base",
            "checkpoint",
            latent_space="zoo-a",
            prediction="v_prediction",
            native_size="64x64",
            recommended={"steps": 20},
        ),
        shipped("zoo/neon", "lora", trigger="neon style", latent_space="zoo-a", prediction="v_prediction"),
        shipped("zoo/watercolor", "lora", license="Apache-2.0", title="Watercolor"),
    ]
}


@pytest.fixture
def experts(tmp_path: Path) -> LocalExperts:
    return LocalExperts(INDEX, tmp_path / "zoo", tmp_path, Digests(tmp_path / "cache" / "digests.json"))


@pytest.fixture
def find(experts: LocalExperts, plan: Plan) -> Callable[..., ExpertFacts | Diagnostic]:
    def resolve(kind: str, reference: str) -> ExpertFacts | Diagnostic:
        return experts.resolve(Kind(kind), reference, plan(reference, kind))

    return resolve


Find = Callable[..., Any]


class TestShipped:
    def test_facts_of_a_checkpoint(self, find: Find, tmp_path: Path) -> None:
        facts = find("checkpoint", "zoo/base")
        assert (facts.family, facts.space, facts.prediction) == ("sd1", "zoo-a", "v")
        assert (facts.native_size, facts.defaults) == ((64, 64), {"steps": 20})
        assert locate(facts.files[0].location) == tmp_path / "zoo" / "models" / "base.safetensors"

    def test_an_adapter_has_neither_space_nor_prediction(self, find: Find) -> None:
        facts = find("lora", "zoo/neon")
        assert (facts.family, facts.space, facts.prediction) == ("sd1", None, None)
        assert facts.trigger == "neon style"

    def test_names(self, experts: LocalExperts) -> None:
        assert experts.names(Kind.LORA) == ("zoo/neon", "zoo/watercolor")

    def test_a_mistyped_id_is_mended(self, find: Find) -> None:
        found = find("lora", "zoo/neom")
        assert isinstance(found, inputs.UnknownExpert)
        assert found.near[0] == "zoo/neon"
        assert found.fixes()[0].edits[0].replacement == '"zoo/neon"'

    def test_the_wrong_kind_is_mended_by_its_verb(self, find: Find) -> None:
        found = find("lora", "zoo/base")
        assert isinstance(found, inputs.WrongExpertKind)
        assert found.message() == "`zoo/base` is a checkpoint, not a lora"
        (edit,) = found.fixes()[0].edits
        assert (edit.span.text, edit.replacement) == ("lora", "checkpoint")

    def test_by_digest(self, find: Find) -> None:
        digest = hashlib.sha256(b"zoo/neon").hexdigest()
        assert find("lora", f"sha256:{digest}").id == "zoo/neon"
        assert find("lora", f"sha256:{digest[:12].upper()}").id == "zoo/neon"
        for wrong in (f"sha256:{digest[:4]}", "sha256:" + "0" * 64, "sha256:nothex00"):
            assert isinstance(find("lora", wrong), inputs.UnknownDigest)
        assert isinstance(find("checkpoint", f"sha256:{digest}"), inputs.UnknownDigest)

    @pytest.mark.parametrize(
        "reference", ["https://example.org/x.safetensors", "hf:a/b", "urn:air:sdxl:lora:x"]
    )
    def test_nothing_is_fetched(self, find: Find, reference: str) -> None:
        assert isinstance(find("lora", reference), inputs.RemoteExpert)

    def test_a_path_without_its_dot_is_mended(self, find: Find, tmp_path: Path) -> None:
        save_file(LORA, tmp_path / "mine.safetensors")
        found = find("lora", "mine.safetensors")
        assert isinstance(found, inputs.UnknownExpert)
        assert found.fixes()[0].edits[0].replacement == '"./mine.safetensors"'

    def test_a_malformed_index_is_our_fault(self, tmp_path: Path) -> None:
        for broken in ({}, {"experts": [{"id": "zoo/x"}]}, {"experts": [shipped("zoo/x", "poem")]}):
            with pytest.raises(InternalError):
                LocalExperts(broken, tmp_path, tmp_path)


class TestFolder:
    def test_a_diffusers_folder(self, find: Find, tmp_path: Path, model_folder: Path) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        facts = find("checkpoint", "./tiny")
        vae = tmp_path / "tiny/vae/diffusion_pytorch_model.safetensors"
        digest = hashlib.sha256(vae.read_bytes()).hexdigest()
        own = vae_digest(vae, Headers().read(vae, "vae"))
        assert (facts.family, facts.prediction, facts.space) == ("sd1", "v", f"vae-{own[:8]}")
        assert (facts.native_size, facts.size_multiple, facts.lacks) == ((16, 16), 2, ())
        held = {file.name: file for file in facts.files}
        assert held["vae/diffusion_pytorch_model.safetensors"].sha256 == digest
        assert {
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/tokenizer.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
        } <= set(held)
        assert held["unet/diffusion_pytorch_model.safetensors"].role == "unet"
        assert all(locate(file.location).is_file() for file in facts.files)

    def test_a_known_vae_gives_its_space(
        self, tmp_path: Path, model_folder: Path, plan: Plan, experts: LocalExperts
    ) -> None:
        vae = model_folder / "vae" / "diffusion_pytorch_model.safetensors"
        entry = shipped("zoo/base", "checkpoint", latent_space="zoo-a")
        digest = hashlib.sha256(vae.read_bytes()).hexdigest()
        entry["files"] = [
            {"role": "vae", "path": "models/base/vae/d.safetensors", "sha256": digest, "size": 1}
        ]
        known = LocalExperts({"experts": [entry]}, tmp_path, tmp_path, Digests(tmp_path / "d.json"))
        facts = known.resolve(Kind.CHECKPOINT, str(model_folder), plan(str(model_folder)))
        assert isinstance(facts, ExpertFacts)
        assert facts.space == "zoo-a"

    @pytest.mark.parametrize(
        ("gone", "expected", "words"),
        [
            ("unet", inputs.IncompleteModel, "denoiser"),
            ("unet/diffusion_pytorch_model.safetensors", inputs.IncompleteModel, "`unet/`"),
            ("unet/config.json", inputs.IncompleteModel, "`unet/config.json`"),
            ("vae", inputs.IncompleteModel, "`vae/`"),
            ("text_encoder", inputs.IncompleteModel, "`text_encoder/`"),
            ("tokenizer/tokenizer.json", inputs.IncompleteModel, "tokenizer.json"),
        ],
    )
    def test_a_missing_part_is_named(
        self, find: Find, tmp_path: Path, model_folder: Path, gone: str, expected: type, words: str
    ) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        path = tmp_path / "tiny" / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        found = find("checkpoint", "./tiny")
        assert isinstance(found, expected)
        assert words in found.message()

    def test_a_scheduler_may_be_missing(self, find: Find, tmp_path: Path, model_folder: Path) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        shutil.rmtree(tmp_path / "tiny" / "scheduler")
        assert find("checkpoint", "./tiny").prediction == "epsilon"

    def test_only_pickled_weights(self, find: Find, tmp_path: Path, model_folder: Path) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        weights = tmp_path / "tiny" / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
        found = find("checkpoint", "./tiny")
        assert isinstance(found, inputs.PickleRefused)
        assert found.path == "./tiny/unet/diffusion_pytorch_model.bin"

    def test_full_precision_comes_before_half(self, find: Find, tmp_path: Path, model_folder: Path) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        unet = tmp_path / "tiny" / "unet"
        shutil.copy(
            unet / "diffusion_pytorch_model.safetensors", unet / "diffusion_pytorch_model.fp16.safetensors"
        )
        names = [file.name for file in find("checkpoint", "./tiny").files]
        assert "unet/diffusion_pytorch_model.fp16.safetensors" not in names
        (unet / "diffusion_pytorch_model.safetensors").unlink()
        names = [file.name for file in find("checkpoint", "./tiny").files]
        assert "unet/diffusion_pytorch_model.fp16.safetensors" in names

    def test_shards(self, find: Find, tmp_path: Path, unet: Any, model_folder: Path) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        folder = tmp_path / "tiny" / "unet"
        shutil.rmtree(folder)
        unet.save_pretrained(folder, max_shard_size="100KB")
        shards = sorted(path.name for path in folder.glob("*-of-*.safetensors"))
        assert len(shards) > 1
        held = [file.name for file in find("checkpoint", "./tiny").files]
        assert [name for name in held if "-of-" in name] == [f"unet/{shard}" for shard in shards]
        (folder / shards[1]).unlink()
        found = find("checkpoint", "./tiny")
        assert isinstance(found, inputs.IncompleteModel)
        assert shards[1] in found.message()

    @pytest.mark.parametrize("text", ["{", "[]", "\ud800", ""])
    def test_a_broken_configuration(self, find: Find, tmp_path: Path, model_folder: Path, text: str) -> None:
        shutil.copytree(model_folder, tmp_path / "tiny")
        (tmp_path / "tiny/vae/config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        found = find("checkpoint", "./tiny")
        assert isinstance(found, inputs.BrokenConfig)
        assert found.path == "./tiny/vae/config.json"

    def test_an_inpainting_model(self, find: Find, tmp_path: Path, model_folder: Path) -> None:
        diffusers = pytest.importorskip("diffusers")
        shutil.copytree(model_folder, tmp_path / "tiny")
        config = json.loads((tmp_path / "tiny/unet/config.json").read_text())
        unet = diffusers.UNet2DConditionModel.from_config({**config, "in_channels": 9})
        unet.save_pretrained(tmp_path / "tiny" / "unet")
        found = find("checkpoint", "./tiny")
        assert isinstance(found, inputs.UnsupportedVariant)
        assert (found.channels, found.latent) == (9, 4)

    def test_folders_of_single_components(self, find: Find, model_folder: Path) -> None:
        vae = find("vae", str(model_folder / "vae"))
        assert {file.name for file in vae.files} == {
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        }
        assert vae.space.startswith("vae-")
        unet = find("checkpoint", str(model_folder / "unet"))
        assert (unet.family, unet.space, unet.prediction) == ("sd1", None, None)
        assert unet.lacks == ("a text encoder", "a VAE", "a tokenizer")
        assert isinstance(find("checkpoint", str(model_folder / "vae")), inputs.WrongExpertKind)
        assert isinstance(find("vae", str(model_folder / "text_encoder")), inputs.NotAModel)

    def test_adapters_in_folders_of_their_own(self, find: Find, tmp_path: Path) -> None:
        folder = tmp_path / "peft"
        folder.mkdir()
        save_file(LORA, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text('{"lora_alpha": 8}')
        facts = find("lora", "./peft")
        assert [(file.role, file.name) for file in facts.files] == [
            ("adapter", "adapter_model.safetensors"),
            ("config", "adapter_config.json"),
        ]

    def test_folders_that_are_no_model(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "loras").mkdir()
        save_file(LORA, tmp_path / "loras" / "one.safetensors")
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.png").write_bytes(b"")
        for name, words in (
            ("empty", "empty"),
            ("loras", "`one.safetensors`"),
            ("photos", "model_index.json"),
        ):
            found = find("checkpoint", f"./{name}")
            assert isinstance(found, inputs.NotAModel)
            assert words in found.message()


class TestSingleFile:
    def test_a_lora(self, find: Find, tmp_path: Path) -> None:
        metadata = {"modelspec.title": "Mine", "modelspec.trigger_phrase": "mine\u200b style"}
        save_file(LORA, tmp_path / "mine.safetensors", metadata=metadata)
        facts = find("lora", "./mine.safetensors")
        assert (facts.kind, facts.family, facts.title) == (Kind.LORA, None, "Mine")
        assert facts.trigger == "mine\u200b style"
        (file,) = facts.files
        assert file.role == "adapter"
        assert file.sha256 == hashlib.sha256((tmp_path / "mine.safetensors").read_bytes()).hexdigest()

    def test_an_embedding_is_named_by_its_token(self, find: Find, tmp_path: Path) -> None:
        save_file({"<hero>": torch.ones(2, 12)}, tmp_path / "e.safetensors")
        save_file({"emb_params": torch.ones(1, 768)}, tmp_path / "hero.safetensors")
        assert find("embedding", "./e.safetensors").trigger == "<hero>"
        facts = find("embedding", "./hero.safetensors")
        assert (facts.trigger, facts.family) == ("hero", "sd1")

    def test_a_checkpoint_in_the_original_layout(
        self, find: Find, tmp_path: Path, ldm_file: Path, model_folder: Path
    ) -> None:
        shutil.copy(ldm_file, tmp_path / "one.safetensors")
        facts = find("checkpoint", "./one.safetensors")
        assert (facts.family, facts.prediction) == ("sd1", "epsilon")
        assert facts.space.startswith("vae-")
        assert [file.role for file in facts.files] == ["checkpoint"]
        assert facts.lacks == ("a tokenizer",)
        shutil.copytree(model_folder / "tokenizer", tmp_path / "tokenizer")
        facts = find("checkpoint", "./one.safetensors")
        assert "tokenizer/tokenizer.json" in [file.name for file in facts.files]
        assert facts.lacks == ()

    def test_paths_lead_anywhere_from_the_plans_folder(
        self, experts: LocalExperts, plan: Plan, tmp_path: Path
    ) -> None:
        inner = tmp_path / "deep" / "plans"
        inner.mkdir(parents=True)
        save_file(LORA, tmp_path / "mine.safetensors")
        text = 'lora("../../mine.safetensors")'
        (inner / "p.mosaic").write_text(text)
        from mosaic.compiler.source import SourceFile

        span = SourceFile(str(inner / "p.mosaic"), text).span(5, len(text) - 1)
        assert isinstance(experts.resolve(Kind.LORA, "../../mine.safetensors", span), ExpertFacts)
        stdin = SourceFile("<stdin>", text).span(5, len(text) - 1)
        assert isinstance(experts.resolve(Kind.LORA, "./mine.safetensors", stdin), ExpertFacts)

    def test_a_changed_file_is_seen(self, find: Find, tmp_path: Path) -> None:
        path = tmp_path / "mine.safetensors"
        save_file(LORA, path)
        first = find("lora", "./mine.safetensors")
        save_file({**LORA, "more.lora_A.weight": torch.ones(1, 1)}, path)
        second = find("lora", "./mine.safetensors")
        assert first.files[0].sha256 != second.files[0].sha256


class TestRefusals:
    def test_a_missing_file_suggests_its_neighbour(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "loras").mkdir()
        save_file(LORA, tmp_path / "loras" / "watercolor.safetensors")
        found = find("lora", "./loras/watercolour.safetensors")
        assert isinstance(found, inputs.NoSuchFile)
        assert found.fixes()[0].edits[0].replacement == '"./loras/watercolor.safetensors"'
        assert isinstance(find("lora", "./no/such/folder/x.safetensors"), inputs.NoSuchFile)

    @pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".PTH", ".bin", ".pkl"])
    def test_pickles_by_name(self, find: Find, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"x{suffix}").write_bytes(b"anything")
        assert isinstance(find("checkpoint", f"./x{suffix}"), inputs.PickleRefused)

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_pickles_by_their_first_bytes(self, find: Find, tmp_path: Path, protocol: int) -> None:
        (tmp_path / "x.safetensors").write_bytes(pickle.dumps({"a": list(range(500))}, protocol))
        assert isinstance(find("checkpoint", "./x.safetensors"), inputs.PickleRefused)

    def test_what_torch_saves_is_a_pickle(self, find: Find, tmp_path: Path) -> None:
        torch.save({"a": torch.ones(3)}, tmp_path / "x.safetensors")
        assert zipfile.is_zipfile(tmp_path / "x.safetensors")
        assert isinstance(find("checkpoint", "./x.safetensors"), inputs.PickleRefused)

    def test_a_pickle_is_never_unpickled(self, find: Find, tmp_path: Path) -> None:
        class Bomb:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(tmp_path / "exploded"),)

        (tmp_path / "x.safetensors").write_bytes(pickle.dumps(Bomb()))
        (tmp_path / "x.ckpt").write_bytes(pickle.dumps(Bomb()))
        for name in ("x.safetensors", "x.ckpt"):
            assert isinstance(find("checkpoint", f"./{name}"), inputs.PickleRefused)
        assert not (tmp_path / "exploded").exists()

    def test_a_header_whose_length_looks_like_a_pickle(self, find: Find, tmp_path: Path) -> None:
        # 0x0280 bytes of JSON: the file starts like a pickle of protocol 2.
        head = json.dumps({name: info for name, info in _entries(LORA).items()}).encode().ljust(0x280)
        assert len(head) == 0x280
        data = b"".join(tensor.numpy().tobytes() for tensor in LORA.values())
        (tmp_path / "x.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
        assert isinstance(find("lora", "./x.safetensors"), ExpertFacts)

    def test_a_file_that_was_cut_off(self, find: Find, tmp_path: Path) -> None:
        save_file(LORA, tmp_path / "x.safetensors")
        whole = (tmp_path / "x.safetensors").read_bytes()
        for end in (len(whole) - 1, 20, 7, 0):
            (tmp_path / "x.safetensors").write_bytes(whole[:end])
            found = find("lora", "./x.safetensors")
            assert isinstance(found, inputs.BrokenSafetensors)
            assert found.reason

    def test_other_files(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("hello there, this is a text")
        assert isinstance(find("lora", "./notes.txt"), inputs.NotAModel)
        save_file(
            {"lm_head.weight": torch.ones(2, 2), "model.norm.weight": torch.ones(2)},
            tmp_path / "l.safetensors",
        )
        found = find("checkpoint", "./l.safetensors")
        assert isinstance(found, inputs.UnknownArchitecture)
        assert "`lm_head.weight`" in found.help()[0]

    def test_adapters_whose_deltas_are_not_known(self, find: Find, tmp_path: Path) -> None:
        save_file({**LORA, "lora_unet_x.oft_blocks": torch.ones(2, 2, 2)}, tmp_path / "x.safetensors")
        found = find("lora", "./x.safetensors")
        assert isinstance(found, inputs.UnsupportedAdapter)
        assert "OFT" in found.message()

    @pytest.mark.parametrize("part", ["hada_w1_a", "lokr_w1", "dora_scale", "diff"])
    def test_adapters_that_are_no_lora(self, find: Find, tmp_path: Path, part: str) -> None:
        save_file({**LORA, f"lora_unet_x.{part}": torch.ones(2, 2)}, tmp_path / "x.safetensors")
        assert not isinstance(find("lora", "./x.safetensors"), Diagnostic)

    @pytest.mark.parametrize("reference", ["./", "../", ".", "/", "./a\0b", "~/", "./" + "x" * 5000, ""])
    def test_strange_references_are_answered(self, find: Find, reference: str) -> None:
        assert isinstance(find("lora", reference), Diagnostic)

    def test_a_fifo_is_not_waited_for(self, find: Find, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "x.safetensors")
        assert isinstance(find("lora", "./x.safetensors"), inputs.NotAModel)

    def test_a_loop_of_links(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "x.safetensors").symlink_to(tmp_path / "x.safetensors")
        assert isinstance(find("lora", "./x.safetensors"), Diagnostic)


def _entries(tensors: dict[str, Any]) -> dict[str, object]:
    entries, start = {}, 0
    for name, tensor in tensors.items():
        end = start + tensor.numel() * 4
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    return entries


def test_a_path_is_known_as_the_catalog_would_know_it(find: Find, tmp_path: Path) -> None:
    """What stands in metadata and beside the file counts for a plan that names the file, too."""
    down, up = (
        "unet.mid_block.attentions.0.proj_in.lora_A.weight",
        "unet.mid_block.attentions.0.proj_in.lora_B.weight",
    )
    tensors = {down: torch.zeros(4, 8), up: torch.zeros(8, 4)}
    told = {"ss_clip_skip": "2", "modelspec.license": "creativeml-openrail-m"}
    save_file(tensors, tmp_path / "film.safetensors", metadata=told)
    sidecar = 'trigger = "film style"\nrating = "mature"\nstrengths = [0.2, 0.9]\n'
    (tmp_path / "film.expert.toml").write_text(sidecar)
    facts = find("lora", str(tmp_path / "film.safetensors"))
    assert facts.adapter is not None and facts.adapter.ranks == (4, 4)
    assert (facts.clip_skip, facts.rating, facts.strengths) == (2, "mature", (0.2, 0.9))
    assert (facts.trigger, facts.license_evidence) == ("film style", "metadata")
    assert facts.license == "LicenseRef-scancode-stable-diffusion-2022-08-22"
