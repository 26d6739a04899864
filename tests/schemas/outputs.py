"""Documents as commands really print and write them, by scenes: each runs in an empty folder of its own."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.stdlib import find_profiles, zoo
from mosaic.stdlib.zoo import world

ROOT = Path(__file__).parent.parent.parent
MODELS = zoo.root() / "models"

Document = tuple[str, Any]
"""The name of a schema, and what should have its shape."""
Scene = Callable[[], Iterator[Document]]

PLAN = """\
mosaic 1

policy { use: commercial, unknown: warn }

param who: text = "a red cat"

plan first {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let image = sample(fuse(base, neon * 0.8), prompt: "{who}, {neon}", steps: 2, seed: 7)
  emit image as "first.png"
}
"""
OPEN = """\
mosaic 1

plan open {
  budget { latency: 60s, memory: 8GiB }
  let base = checkpoint("zoo/base")
  let look = find(lora, "neon")
  let hat = lora("zoo/hat")
  let image = sample(fuse(base, look, hat), prompt: "a red cat, {look}, {hat}", steps: 12..30)
  emit image as "open.png"
}
"""
CUT = """\
mosaic 1

plan cut {
  let base = checkpoint("zoo/base")
  let look = fuse(base, lora("zoo/neon"), lora("zoo/hat"), via: dare(rank: 4))
  emit look as "cut.safetensors"
  emit sample(look, prompt: "a red cat", steps: 1) as "cut.png"
}
"""

COMPOSED = """\
mosaic 1

plan composed {
  let base = checkpoint("zoo/base")
  let other = checkpoint("zoo/base-b")
  let neon = lora("zoo/neon")
  let film = lora("./film.safetensors", partial: true)
  let left = rect(0%, 0%, 50%, 100%)
  let right = rect(50%, 0%, 50%, 100%)
  let begun = fuse(base, neon * 0.5, film)
  let turns = fuse(base, begun during 0%..50%, lora("zoo/hat") in mask("./mask.png"))
  let prompts = sample(
    turns,
    prompt: ["a red cat" in left, "a blue dog" * 0.5 in right during 0%..50%, "a street at night"],
    steps: 4,
  )
  let weighed = fuse(base, neon, lora("zoo/hat"), via: switch(aware: true))
  let over = fuse(base, other during 50%..100%)
  let drawn = encode(load_image("./mask.png"), with: base, tile: 64x64)
  emit prompts as "prompts.png"
  emit drawn as "drawn.safetensors"
  emit sample(weighed, prompt: "a red cat, {neon}", steps: 2) as "weighed.png"
  emit sample(over, prompt: "a red cat", steps: 4) as "over.png"
}
"""


def told(*words: str, code: int | None = 0, input: str | None = None) -> Any:
    """What a command prints on standard output, read as JSON."""
    done = CliRunner().invoke(app, words, input=input)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert code is None or done.exit_code == code, f"{words}: {done.output}"
    return json.loads(done.stdout)


def done(*words: str, code: int = 0) -> str:
    """What a command prints for people."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, f"{words}: {result.output}"
    return result.stdout


def loaded(path: str) -> Any:
    """What a command wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def checking() -> Iterator[Document]:
    """Plans with and without mistakes, and none at all."""
    Path("good.mosaic").write_text(PLAN)
    Path("bad.mosaic").write_text(PLAN.replace("steps: 2", "step: 2").replace("zoo/neon", "zoo/neno"))
    Path("empty").mkdir()
    for command in ("check", "lint"):
        yield "diagnostics", told(command, "good.mosaic", "--format", "json", code=None)
        yield "diagnostics", told(command, "bad.mosaic", "--format", "json", code=1)
        yield "diagnostics", told(command, "gone.mosaic", "--format", "json", code=2)
        yield "diagnostics", told(command, "empty", "--format", "json", code=None)
    yield (
        "diagnostics",
        told("check", "bad.mosaic", "good.mosaic", "--format", "json", "--statistics", code=1),
    )
    cases = str(ROOT / "tests" / "cases" / "errors")
    yield "diagnostics", told("check", cases, "--format", "json", "--statistics", code=None)


def failing() -> Iterator[Document]:
    """Commands that fail under --json print diagnostics."""
    Path("bad.mosaic").write_text(PLAN.replace("zoo/neon", "zoo/neno"))
    Path("text.png").write_text("no picture")
    for words in (
        ("plan", "bad.mosaic"),
        ("plan", "gone.mosaic"),
        ("run", "bad.mosaic"),
        ("diff", "gone.mosaic", "bad.mosaic"),
        ("diff", "bad.mosaic", "gone.mosaic", "--format", "json"),
        ("lock", "bad.mosaic"),
        ("verify", "gone.lock"),
        ("recover", "text.png"),
        ("catalog", "show", "nobody"),
        ("catalog", "import", "gone"),
        ("catalog", "stats", "--catalog", "gone"),
        ("cache", "stats", "--cache", "bad.mosaic"),
        ("compose", "a red cat", "-o", "bad.mosaic"),
    ):
        asked = words if "--format" in words else (*words, "--json")
        yield "diagnostics", told(*asked, code=None)


def planning() -> Iterator[Document]:
    """With a cache and without, with a budget and without, on a measured device, by estimate, on none."""
    Path("first.mosaic").write_text(PLAN)
    Path("open.mosaic").write_text(OPEN)
    yield "plan", told("plan", "first.mosaic", "--json")
    done("run", "first.mosaic", "--device", "cpu")
    yield "plan", told("plan", "first.mosaic", "--json")
    yield "plan", told("plan", "first.mosaic", "--json", "--no-cache")
    yield "plan", told("plan", "open.mosaic", "--json", "--device", "rtx-3060")
    shutil.copy(find_profiles()["cpu-8"], "mine.json")
    mine = loaded("mine.json")
    Path("mine.json").write_text(json.dumps({**mine, "is_estimate": False}))
    yield "plan", told("plan", "first.mosaic", "--json", "--device", "mine.json")


def programs() -> Iterator[Document]:
    """Every example, compiled."""
    for path in sorted((ROOT / "examples").glob("*.mosaic")):
        done("plan", str(path), "-o", "x.program.json", "--no-cache")
        yield "program", loaded("x.program.json")
    Path("film.safetensors").write_bytes((MODELS / "sketch.safetensors").read_bytes())
    world.draw(world.base_scene(Random(5)), 1).convert("L").save("mask.png")
    Path("composed.mosaic").write_text(COMPOSED)
    done("plan", "composed.mosaic", "-o", "x.program.json", "--no-cache")
    yield "program", loaded("x.program.json")


def running() -> Iterator[Document]:
    """One run, a sweep in batches, a fusion that is cut, a program; their reports; what pictures carry."""
    Path("first.mosaic").write_text(PLAN)
    Path("cut.mosaic").write_text(CUT)
    yield "run", told("run", "first.mosaic", "--json", "--report", "report")
    yield "report", loaded("report/report.json")
    yield "run", told("run", "first.mosaic", "--json", "--report", "report")
    yield "report", loaded("report/report.json")
    sweep = ("--set", "who=a red cat,a blue dog", "--batch", "2", "--no-cache", "-o", "sweep")
    yield "run", told("run", "first.mosaic", "--json", *sweep)
    yield "run", told("run", "cut.mosaic", "--json", "--report", "cut")
    yield "report", loaded("cut/report.json")
    yield "recover", told("recover", "first.png", "--json")
    yield "recover", told("recover", "cut.safetensors", "--json")
    done("plan", "first.mosaic", "-o", "first.program.json")
    yield "run", told("run", "first.program.json", "--json")


def comparing() -> Iterator[Document]:
    """The same, changed, renamed, added and removed; strengths, prompts, costs, rights; pictures."""
    Path("a").mkdir()
    Path("b").mkdir()
    Path("a/first.mosaic").write_text(PLAN)
    Path("b/first.mosaic").write_text(
        PLAN.replace("0.8", "0.5").replace("{who},", "{who}, snow,").replace("steps: 2", "steps: 3")
    )
    Path("a/gone.mosaic").write_text(CUT)
    Path("b/new.mosaic").write_text(PLAN.replace("plan first", "plan new").replace("use: commercial, ", ""))
    yield "diff", told("diff", "a", "b", "--json", code=None)
    yield "diff", told("diff", "a/first.mosaic", "b/first.mosaic", "--format", "json", code=None)
    yield "diff", told("diff", "a/first.mosaic", "a/first.mosaic", "--json")
    yield "diff", told("diff", "a/gone.mosaic", "b/first.mosaic", "--json", code=None)
    yield (
        "diff",
        told("diff", "a/first.mosaic", "b/first.mosaic", "--json", "--run", "-o", "out", code=None),
    )
    Path("b/cut.mosaic").write_text(CUT.replace("cut.png", "other.png").replace("rank: 4", "rank: 5"))
    yield "diff", told("diff", "a/gone.mosaic", "b/cut.mosaic", "--json", "--run", "-o", "out", code=None)


def locking() -> Iterator[Document]:
    """A lock is written, is up to date, would change, is verified."""
    Path("first.mosaic").write_text(PLAN)
    yield "lock", told("lock", "first.mosaic", "--json")
    yield "lock", told("lock", "first.mosaic", "--json")
    yield "verify", told("verify", "--json")
    Path("first.mosaic").write_text(PLAN.replace("0.8", "0.5"))
    yield "verify", told("verify", "--json", code=1)
    yield "diagnostics", told("lock", "first.mosaic", "--locked", "--json", code=1)
    yield "lock", told("lock", "first.mosaic", "--json", "--outputs")


_MORE = ("local/trained", "local/loha", "local/alone")


def cataloguing() -> Iterator[Document]:
    """A catalog of one's own, from its making to a snapshot of it."""
    yield "catalog-path", told("catalog", "path", "--json")
    yield "catalog-list", told("catalog", "list", "--json")
    _library()
    yield "catalog-add", told("catalog", "add", "models", "--json", code=1)
    yield "catalog-add", told("catalog", "add", "models/styles", "--json")
    yield "catalog-path", told("catalog", "path", "--json")
    yield "catalog-stats", told("catalog", "stats", "--json")
    for words in ("neon", "zebra"):
        yield "catalog-search", told("catalog", "search", words, "--json")
    yield "catalog-list", told("catalog", "list", "--kind", "control", "--json")
    for id in ("zoo/base", "zoo/neon", "zoo/a-to-b", "zoo/samurai", "local/own", "local/odd", *_MORE):
        yield "catalog-show", told("catalog", "show", id, "--json")
    yield "catalog-relate", told("catalog", "relate", "zoo/neon", "zoo/hat", "local/odd", "--json")
    yield "catalog-verify", told("catalog", "verify", "--json")
    yield "catalog-export", told("catalog", "export", "snapshot", "--json")
    yield "catalog-stats", told("catalog", "stats", "--json", "--catalog", "snapshot")
    yield "catalog-path", told("catalog", "path", "--json", "--catalog", "snapshot")
    yield "catalog-remove", told("catalog", "remove", "local/odd", "--json")
    yield "catalog-import", told("catalog", "import", "snapshot", "--json")
    Path("models/styles/own.safetensors").write_bytes(b"other bytes")
    yield "catalog-verify", told("catalog", "verify", "--json", code=1)


def _library() -> None:
    """What is an expert, what is odd, and what is none."""
    Path("models/styles").mkdir(parents=True)
    data = (MODELS / "neon.safetensors").read_bytes()
    Path("models/styles/own.safetensors").write_bytes(_with_metadata(data, {"modelspec.author": "somebody"}))
    Path("models/styles/own.expert.toml").write_text(
        'license = "Apache-2.0"\nrating = "general"\ntags = ["glow"]\ndescription = "It glows."\n'
        'strengths = [0.5, 1.0]\nauthor = "somebody"\nexcludes = ["zoo/hat"]\nlast = true\nclip_skip = 2\n'
    )
    odd = {"ss_base_model_version": "sdxl_base_v1-0", "ss_network_module": "networks.lora"}
    Path("models/odd.safetensors").write_bytes(_with_metadata(data, odd))
    trained = {"ss_sd_model_name": "ponyDiffusionV6.safetensors", "ss_new_sd_model_hash": "ab" * 32}
    Path("models/styles/trained.safetensors").write_bytes(_with_metadata(data, trained))
    Path("models/loha.safetensors").write_bytes(_loha())
    shutil.copytree(MODELS / "base" / "unet", "models/alone")
    Path("models/cut.safetensors").write_bytes(data[:5000])
    Path("models/old.ckpt").write_bytes(pickle.dumps({"state_dict": {}}))


def _loha() -> bytes:
    """An adapter of another algorithm than LoRA, of zeros."""
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    shapes = {"hada_w1_a": (640, 4), "hada_w1_b": (4, 768), "hada_w2_a": (640, 4), "hada_w2_b": (4, 768)}
    header, end = {}, 0
    for name, (rows, columns) in shapes.items():
        size = 2 * rows * columns
        at = [end, end + size]
        header[f"{module}.{name}"] = {"dtype": "F16", "shape": [rows, columns], "data_offsets": at}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps({**header, "__metadata__": metadata}).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def bridging() -> Iterator[Document]:
    """Those that are shipped, and one of one's own."""
    yield "bridge-list", told("bridge", "list", "--json")
    Path("pictures").mkdir()
    scenes = Random(5)
    for number in range(20):
        world.draw(world.base_scene(scenes), number).save(f"pictures/{number}.png")
    ends = ("--from", "zoo/base", "--to", "zoo/base-b", "--pictures", "pictures")
    yield "bridge-fit", told("bridge", "fit", *ends, "-o", "mine.safetensors", "--json")
    yield "bridge-fit", told("bridge", "fit", *ends, "-o", "ours.safetensors", "--json", "--register")
    yield "bridge-list", told("bridge", "list", "--json")
    small = ("--kind", "conv", "--steps", "2", "--width", "4")
    yield "bridge-fit", told("bridge", "fit", *ends, *small, "-o", "conv.safetensors", "--json", "--register")
    yield "catalog-show", told("catalog", "show", "local/conv", "--json")


def caching() -> Iterator[Document]:
    """Empty, filled, damaged, cleared."""
    yield "cache-stats", told("cache", "stats", "--json")
    Path("first.mosaic").write_text(PLAN)
    done("run", "first.mosaic")
    yield "cache-stats", told("cache", "stats", "--json")
    for kept in Path(os.environ["MOSAIC_CACHE"]).rglob("*.safetensors"):
        kept.write_bytes(kept.read_bytes()[:-1] + b"\x00")
    yield "cache-verify", told("cache", "verify", "--json")
    done("run", "first.mosaic")
    yield "cache-verify", told("cache", "verify", "--json")
    yield "cache-prune", told("cache", "prune", "--to", "1KiB", "--json")
    yield "cache-prune", told("cache", "clear", "--json")


def composing() -> Iterator[Document]:
    """A request that is met, and run; one that is not; one under limits."""
    cat = "a red cat in a neon-lit alley, watercolor, no hat"
    ran = ("-o", "cat.mosaic", "--run", "--steps", "1", "--report", "report", "--trace", "trace.json")
    yield "compose", told("compose", cat, *ran, "--json")
    yield "trace", loaded("trace.json")
    yield "trace", loaded("report/composition.json")
    yield "report", loaded("report/report.json")
    yield "compose", told("compose", "a dragon in the forest", "--trace", "none.json", "--json", code=1)
    yield "trace", loaded("none.json")
    yield "compose", told("compose", "a red cat", "--with", "zoo/nobody", "--json", code=1)
    limits = ("--use", "commercial", "--budget", "60s", "--base", "zoo/base", "--without", "zoo/neon")
    yield "compose", told("compose", cat, *limits, "--trace", "limits.json", "--json", code=None)
    yield "trace", loaded("limits.json")


def mending() -> Iterator[Document]:
    """A plan that has to be sent back twice, as the trace has it."""
    from tests.agent.scripted import Scripted

    from mosaic.agent.asking import request_of
    from mosaic.agent.composing import compose
    from mosaic.agent.offline.backend import OfflineBackend
    from mosaic.agent.tracing import to_json
    from mosaic.agent.world import World
    from mosaic.project import Project

    plan = PLAN.partition("policy")[0] + PLAN.partition("}\n\n")[2].replace("param who", "\nparam who")
    broken = (plan.replace("first {", "first ("), plan.replace("zoo/neon", "zoo/neno"), plan)
    with Project() as project:
        world = World(project)
        backend = Scripted(*broken, read=OfflineBackend(world).decompose)
        yield "trace", json.loads(to_json(compose(request_of("a red cat, neon style"), world, backend)))


def benching() -> Iterator[Document]:
    """Profiles as they are shipped and as they are written; the tables of benchmarks, of few pictures."""
    from mosaic.profiles import load_profile, save_profile

    for path in find_profiles().values():
        yield "profile", loaded(str(path))
    profile = load_profile(find_profiles()["cpu-8"])
    save_profile(Path("mine.json"), profile)
    yield "profile", loaded("mine.json")
    few = ("--scheme", "sum", "--sets", "1", "--seeds", "1")
    yield "bench-composition", told("bench", "composition", *few, "--json")


def pricing() -> Iterator[Document]:
    """How well costs are predicted, of one plan."""
    from mosaic.bench import pricing as bench
    from mosaic.profiles import load_profile

    profile = load_profile(find_profiles()["cpu-8"])
    text = (
        'mosaic 1\nplan p {\n  emit sample(checkpoint("zoo/base"), prompt: "a cat", steps: 1) as "p.png"\n}\n'
    )
    case = bench.Case("a cat", "one", text)
    rows = bench.measure([case], profile, Path("."))
    taken = bench.peaks([case], profile, Path("."))
    yield "bench-costs", json.loads(bench.document(rows, taken, profile))


def requesting() -> Iterator[Document]:
    """How well plans are composed, of few requests, with pictures and without."""
    few = ("--over", "zoo", "--requests", "2", "--json")
    yield "bench-agent", told("bench", "agent", *few, "--pictures")
    yield "bench-agent", loaded("bench-agent/results.json")
    yield "bench-agent", told("bench", "agent", *few, "--split", "dev", "--seeds", "0")


SLOW: tuple[Scene, ...] = (bridging, pricing, requesting)
SCENES: tuple[Scene, ...] = (
    checking,
    failing,
    planning,
    programs,
    running,
    comparing,
    locking,
    cataloguing,
    caching,
    composing,
    mending,
    benching,
)
