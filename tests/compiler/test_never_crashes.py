"""Whatever well-formed nonsense a plan holds, compiling ends in diagnostics or in a program, never in a crash."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.compiler import Compiled
from mosaic.compiler.program import Program

Compile = Callable[..., Compiled]

NAMES = st.sampled_from(
    ["base", "other", "neon", "hero", "look", "a", "b", "w", "who", "nothere", "house.styled"]
)
LITERALS = st.sampled_from(
    ["0", "1", "20", "-1", "0.8", "50%", "150%", "64x64", "63x64", "2s", "2GiB", "true", '"a cat"', '"a {who} {hero}"',
     '"{base}"', '"{{"', "[neon, look]", '["a cat", "a dog" * 0.5]', "sum", "beside", "blend", "turns", "4..8",
     '"p.png"']
)  # fmt: skip
KEYS = st.sampled_from(
    ["prompt", "steps", "guidance", "size", "seed", "until", "strength", "via", "with", "scheduler"]
)
VERBS = st.sampled_from(
    ["checkpoint", "lora", "embedding", "vae", "fuse", "sample", "resume", "refine", "decode", "encode", "load_image",
     "rect", "mask", "align", "house.styled", "house.nothere", "nothere", "local"]
)  # fmt: skip
IDS = st.sampled_from(['"t/base"', '"t/other"', '"t/neon"', '"t/film"', '"t/hero"', '"t/vae"', '"t/nothere"'])


def _call(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    argument = st.one_of(inner, IDS, st.tuples(KEYS, inner).map(lambda pair: f"{pair[0]}: {pair[1]}"))
    return st.tuples(VERBS, st.lists(argument, max_size=4)).map(
        lambda call: f"{call[0]}({', '.join(call[1])})"
    )


EXPRESSIONS = st.recursive(
    st.one_of(NAMES, LITERALS),
    lambda inner: st.one_of(
        _call(inner),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} * {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} in {pair[1]}"),
        st.tuples(inner, LITERALS, LITERALS).map(lambda three: f"{three[0]} during {three[1]}..{three[2]}"),
    ),
    max_leaves=6,
)
STATEMENTS = st.one_of(
    st.tuples(st.sampled_from(["look", "a", "b", "base"]), EXPRESSIONS).map(lambda s: f"let {s[0]} = {s[1]}"),
    EXPRESSIONS.map(lambda e: f'emit {e} as "x.png"'),
    EXPRESSIONS.map(lambda e: f'emit {e} as "{{who}}.safetensors"'),
    st.sampled_from(["return base", "budget { latency: 2s }", "policy { use: personal }"]),
)
BEFORE = """
use "./house.mosaic"
param who: text = "cat"
param w: number = 0.5
define local(m: model, e: lora = lora("t/neon")) -> latent { return sample(fuse(m, e * w), prompt: "{who} {e}") }
"""
TEXTS = {
    "./house.mosaic": "mosaic 1\n"
    "define styled(m: checkpoint, e: lora, s: number = 1) -> model { return fuse(m, e * s) }"
}
START = """
let base = checkpoint("t/base")
let other = checkpoint("t/other")
let neon = lora("t/neon")
let hero = embedding("t/hero")
"""


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(statements=st.lists(STATEMENTS, min_size=1, max_size=5))
def test_diagnostics_or_a_program(compiled: Compile, statements: list[str]) -> None:
    result = compiled(START + "\n".join(statements), BEFORE, texts=TEXTS)
    for found in result.diagnostics:
        assert found.message()
        found.primary(), found.labels(), found.help(), found.fixes()
    if result.has_errors:
        assert not result.programs
        return
    (program,) = result.programs
    assert Program.from_json(program.to_json()) == program


MODELS = st.sampled_from(
    [
        "base",
        "other",
        "fuse(base, neon * 0.5)",
        'fuse(base, neon * w, checkpoint("t/robot") * 0.2)',
        "house.styled(base, neon)",
    ]
)
TEXT = st.sampled_from(['"a cat"', '"a {who}, at night"', '"{{"'])
SETTINGS = st.lists(
    st.sampled_from(
        ["steps: 4", "guidance: 2", "size: 64x48", "seed: 7", 'scheduler: "euler"', 'negative: "blur"']
    ),
    unique=True,
).map(lambda given: "".join(f", {each}" for each in given))
SAMPLES = st.tuples(MODELS, TEXT, SETTINGS).map(lambda s: f"sample({s[0]}, prompt: {s[1]}{s[2]})")
LATENTS = st.one_of(
    SAMPLES,
    st.tuples(MODELS, TEXT).map(lambda s: f"resume({s[0]}, sample({s[0]}, prompt: {s[1]}, until: 50%))"),
    st.tuples(MODELS, SAMPLES, TEXT).map(
        lambda s: f"refine({s[0]}, decode({s[1]}), strength: 30%, prompt: {s[2]})"
    ),
    MODELS.map(lambda model: f'encode(load_image("a.png"), with: {model})'),
    st.just("local(base)"),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(latents=st.lists(LATENTS, min_size=1, max_size=4))
def test_sound_plans_give_programs(compiled: Compile, latents: list[str]) -> None:
    emits = "".join(f'emit {latent} as "{number}.png"\n' for number, latent in enumerate(latents))
    start = START.replace('let hero = embedding("t/hero")\n', "")
    before = BEFORE.replace("{who} {e}", "{who}")
    result = compiled(start + emits, before, texts=TEXTS)
    assert not result.has_errors, [found.message() for found in result.diagnostics]
    (program,) = result.programs
    assert [i.operation.path for i in program.instructions if i.operation.op == "emit"] == [
        f"{number}.png" for number in range(len(latents))
    ]
    assert Program.from_json(program.to_json()) == program
