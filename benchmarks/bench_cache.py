"""How often a result is found again: mosaic's keys beside those of a node graph, over one stream of requests.

Keys only; nothing is drawn. The stream is Zipf-like: requests use few of many adapters, and most are variations of an
earlier one, as people work: the same look with its adapters written in another order, another seed, a strength edited,
the last step edited, an adapter under another file name (downloaded twice, or versioned by name).

The other scheme is the one that ComfyUI publishes (`comfy_execution/caching.py`, `CacheKeySetInputSignature`), written
anew from its description: the key of a node is its class, its constants and its ancestors in the order of a traversal;
loaders know files by name; adapters are applied by a chain of nodes, in the order in which they are written. Both are
given a cache that never forgets, so that only the keys differ.

    python -m benchmarks.bench_cache
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from mosaic.compiler.program import (
    Decode,
    Denoise,
    Emit,
    EncodeText,
    Expert,
    File,
    Fuse,
    Instruction,
    LoadModel,
    Operand,
    Operation,
    Program,
    Refine,
    Source,
)
from mosaic.runtime.keys import keys, narrowed, text_key

ADAPTERS, PROMPTS, STEPS, STRENGTH, REFINED = 40, 60, 20, 0.5, 20
SKEW = 1.1
"""The exponent of the law by which adapters and prompts are chosen."""
TOUCHES_TEXT = 0.4
"""The part of adapters that change the text encoder."""
FACTS = {"device": "bench"}


@dataclass(frozen=True)
class Use:
    """An adapter in a request: which, by which name its file goes, how strong."""

    adapter: int
    name: str
    strength: float


@dataclass(frozen=True)
class Request:
    """A look, a prompt and a seed; sampled, then refined."""

    uses: tuple[Use, ...]
    prompt: int
    seed: int
    strength: float = STRENGTH


@dataclass(frozen=True)
class Keyed:
    """The keys of a request's results, whatever the scheme."""

    texts: tuple[str, ...]
    sampled: str
    refined: str
    picture: str


def stream(count: int, random: Random) -> Iterator[tuple[str, Request]]:
    """Requests, each with how it came from an earlier one."""
    made: list[Request] = []
    changes = ("new", "order", "seed", "strength", "last step", "name", "again")
    weights = (25, 20, 15, 15, 10, 5, 10)
    for _ in range(count):
        (change,) = random.choices(changes, weights) if made else ("new",)
        # What was asked for lately is varied most.
        known = made[-1 - min(int(random.expovariate(0.1)), len(made) - 1)] if made else None
        request = _new(random) if known is None or change == "new" else _varied(known, change, random)
        made.append(request)
        yield change, request


def _new(random: Random) -> Request:
    count = random.choices((1, 2, 3, 4), (35, 35, 20, 10))[0]
    chosen = list(dict.fromkeys(_zipf(ADAPTERS, random) for _ in range(count)))
    uses = tuple(
        Use(each, f"adapter{each}.safetensors", random.choice((0.4, 0.6, 0.8, 1.0))) for each in chosen
    )
    return Request(uses, _zipf(PROMPTS, random), random.choice((1, 2, 3, 4)))


def _varied(known: Request, change: str, random: Random) -> Request:
    match change:
        case "order":
            return replace(known, uses=tuple(random.sample(known.uses, len(known.uses))))
        case "seed":
            return replace(known, seed=random.randrange(1, 9))
        case "strength":
            edited = random.randrange(len(known.uses))
            return replace(
                known,
                uses=tuple(
                    replace(use, strength=random.choice((0.4, 0.6, 0.8, 1.0))) if number == edited else use
                    for number, use in enumerate(known.uses)
                ),
            )
        case "last step":
            return replace(known, strength=random.choice((0.3, 0.4, 0.5, 0.6)))
        case "name":
            return replace(
                known, uses=tuple(replace(use, name=f"copy-of-{use.name[-24:]}") for use in known.uses)
            )
        case _:
            return known


def _zipf(count: int, random: Random) -> int:
    return random.choices(range(count), [1 / (rank + 1) ** SKEW for rank in range(count)])[0]


# mosaic's keys


def by_content(request: Request) -> Keyed:
    """The keys of the program that the request compiles to."""
    # The compiler's order of symmetric operands: by content.
    ordered = sorted(request.uses, key=lambda use: _digest(use.adapter))
    experts = (
        _expert("checkpoint", "base", "b" * 64),
        *(_expert("lora", use.name, _digest(use.adapter)) for use in ordered),
    )
    operands = tuple(Operand(expert=number, strength=use.strength) for number, use in enumerate(ordered, 1))
    # Texts are asked of the lowest model that reads them alike, as headers tell.
    reader = 1 if any(_touches_text(use.adapter) for use in ordered) else 0
    operations: tuple[Operation, ...] = (
        LoadModel(expert=0),
        Fuse(model=0, operator="sum", operator_version=1, settings={"rank": 0}, operands=operands),
        EncodeText(model=reader, text=f"prompt {request.prompt}"),
        EncodeText(model=reader, text=""),
        Denoise(
            model=1,
            positive=2,
            negative=3,
            steps=STEPS,
            guidance=5.0,
            width=512,
            height=512,
            seed=request.seed,
            scheduler="ddim",
        ),
        Refine(
            model=1,
            latent=4,
            positive=2,
            negative=3,
            strength=request.strength,
            steps=REFINED,
            guidance=5.0,
            seed=request.seed,
            scheduler="ddim",
        ),
        Decode(latent=5, model=1),
        Emit(value=6, path="a.png", type="image"),
    )
    program = Program(
        experts=experts,
        images=(),
        instructions=tuple(Instruction(result=n, operation=each) for n, each in enumerate(operations)),
        source=Source(name="", plan="", text="", parameters={}),
    )
    found = keys(program, narrowed(program), FACTS)
    touching = [f"{_digest(use.adapter)}*{use.strength}" for use in ordered if _touches_text(use.adapter)]
    texts = tuple(
        text_key("sd1", "+".join(("base", *touching)), text, FACTS)
        for text in (f"prompt {request.prompt}", "")
    )
    return Keyed(texts, found[4], found[5], found[6])


def _expert(kind: str, name: str, digest: str) -> Expert:
    file = File(role="weights", name=name, sha256=digest, size=1, location=name)
    return Expert.model_validate(
        {
            "id": name,
            "kind": kind,
            "family": "sd1",
            "latent_space": "sd1",
            "prediction": "epsilon",
            "trigger": None,
            "license": None,
            "title": name,
            "files": (file,),
        }
    )


def _digest(adapter: int) -> str:
    return f"{(adapter + 1) * 0x9E3779B97F4A7C15 % (1 << 256):064x}"


def _touches_text(adapter: int) -> bool:
    return Random(adapter).random() < TOUCHES_TEXT


# The other scheme


Link = tuple[str, int]
"""A node by name, and which of its outputs."""
Node = tuple[str, dict[str, object]]


def by_ancestry(request: Request) -> Keyed:
    """The keys of the node graph that people draw for the request."""
    nodes: dict[str, Node] = {"base": ("CheckpointLoaderSimple", {"ckpt_name": "base.safetensors"})}
    model, clip = ("base", 0), ("base", 1)
    for number, use in enumerate(request.uses):
        name = f"lora{number}"
        strengths = {"strength_model": use.strength, "strength_clip": use.strength}
        nodes[name] = ("LoraLoader", {"model": model, "clip": clip, "lora_name": use.name, **strengths})
        model, clip = (name, 0), (name, 1)
    nodes["positive"] = ("CLIPTextEncode", {"clip": clip, "text": f"prompt {request.prompt}"})
    nodes["negative"] = ("CLIPTextEncode", {"clip": clip, "text": ""})
    nodes["empty"] = ("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1})
    sampler = {
        "model": model,
        "positive": ("positive", 0),
        "negative": ("negative", 0),
        "seed": request.seed,
        "steps": STEPS,
        "cfg": 5.0,
        "sampler_name": "ddim",
        "scheduler": "normal",
    }
    nodes["sampled"] = ("KSampler", {**sampler, "latent_image": ("empty", 0), "denoise": 1.0})
    nodes["refined"] = (
        "KSampler",
        {**sampler, "latent_image": ("sampled", 0), "denoise": request.strength},
    )
    nodes["picture"] = ("VAEDecode", {"samples": ("refined", 0), "vae": ("base", 2)})
    texts = (_signature(nodes, "positive"), _signature(nodes, "negative"))
    return Keyed(
        texts, _signature(nodes, "sampled"), _signature(nodes, "refined"), _signature(nodes, "picture")
    )


def _signature(nodes: dict[str, Node], node: str) -> str:
    order: dict[str, int] = {}

    def visit(name: str) -> None:
        _, inputs = nodes[name]
        for key in sorted(inputs):
            value = inputs[key]
            if isinstance(value, tuple) and value[0] not in order:
                order[value[0]] = len(order)
                visit(value[0])

    visit(node)
    return repr([_immediate(nodes, each, order) for each in (node, *order)])


def _immediate(nodes: dict[str, Node], name: str, order: dict[str, int]) -> list[object]:
    kind, inputs = nodes[name]
    found: list[object] = [kind]
    for key in sorted(inputs):
        value = inputs[key]
        found.append((key, ("ancestor", order[value[0]], value[1]) if isinstance(value, tuple) else value))
    return found


# What comes of it


@dataclass
class Tally:
    """What one scheme finds again."""

    pictures: int = 0
    texts: int = 0
    steps: int = 0
    seconds: float = 0.0


def replay(requests: Sequence[tuple[str, Request]], scheme: object) -> tuple[Tally, dict[str, int]]:
    """Ask for every request's results in turn; what is asked for is kept from then on."""
    assert callable(scheme)
    seen: set[str] = set()
    tally, found = Tally(), dict.fromkeys((change for change, _ in requests), 0)
    for change, request in requests:
        started = time.perf_counter()
        keyed: Keyed = scheme(request)
        tally.seconds += time.perf_counter() - started
        tally.texts += sum(text in seen for text in keyed.texts)
        if keyed.picture in seen:
            tally.pictures += 1
            found[change] += 1
        elif keyed.refined not in seen:
            tally.steps += int(request.strength * REFINED + 1e-6)
            tally.steps += 0 if keyed.sampled in seen else STEPS
        seen |= {*keyed.texts, keyed.sampled, keyed.refined, keyed.picture}
    return tally, found


def warm_run() -> tuple[float, float]:
    """Milliseconds of processor time that a plan of the zoo takes with a cold cache, and again with a warm one."""
    from benchmarks.measuring import timed

    from mosaic.project import Project, engine, read
    from mosaic.runtime.cache.disk import Disk

    (program,) = Project().compile(read("examples/alley.mosaic")).programs
    with tempfile.TemporaryDirectory() as folder:
        taken = []
        for _ in range(2):
            worker = engine(device="cpu", cache=Disk(Path(folder, "cache")))
            taken.append(timed(lambda: worker.run(program, Path(folder, "out"))))  # noqa: B023
    return taken[0], taken[1]


def main() -> None:
    """Print both schemes side by side."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_cache", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-run", action="store_true", help="keys only: no warm run of a plan")
    chosen = parser.parse_args()
    requests = list(stream(chosen.count, Random(chosen.seed)))
    whole = sum(STEPS + int(request.strength * REFINED + 1e-6) for _, request in requests)
    print(f"{len(requests)} requests over {ADAPTERS} adapters and {PROMPTS} prompts, seed {chosen.seed}\n")
    print(f"{'':<36}{'ordered ancestry':>18}{'content':>12}")
    (other, theirs), (ours, mine) = (replay(requests, scheme) for scheme in (by_ancestry, by_content))
    count = len(requests)
    print(f"{'pictures found again':<36}{other.pictures / count:>18.1%}{ours.pictures / count:>12.1%}")
    print(f"{'texts found again':<36}{other.texts / 2 / count:>18.1%}{ours.texts / 2 / count:>12.1%}")
    print(f"{'denoising steps saved':<36}{1 - other.steps / whole:>18.1%}{1 - ours.steps / whole:>12.1%}")
    print(
        f"{'ms to key a request':<36}{1000 * other.seconds / count:>18.3f}{1000 * ours.seconds / count:>12.3f}"
    )
    print("\npictures found again, by what was changed")
    for change in theirs:
        of = sum(each == change for each, _ in requests)
        print(f"  {change:<34}{theirs[change] / of:>18.1%}{mine[change] / of:>12.1%}")
    if not chosen.no_run:
        cold, warm = warm_run()
        print(
            f"\nexamples/alley.mosaic: {cold:.0f} ms of work with a cold cache, {warm:.1f} ms with a warm one"
        )


if __name__ == "__main__":
    main()
