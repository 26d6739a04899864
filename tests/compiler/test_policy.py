"""What a plan may do: every row of the table of decidable rules, over experts that differ in what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.compiler.conftest import EXPERTS, OPERATORS, MemoryFiles, SyntheticExperts

from mosaic.catalog.licences import LicenceTable
from mosaic.catalog.words import WordList
from mosaic.compiler import Compiled, compile
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Severity
from mosaic.compiler.facts import ExpertFacts, Permissions
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.passes import OPTIMISE, RESOLVE
from mosaic.compiler.policy import Policy, refusal
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind

OPEN = "Apache-2.0"
NC = "CC-BY-NC-4.0"
FLUX = "LicenseRef-scancode-flux-1-nc"
STABILITY = "LicenseRef-scancode-stability-ai-community-2024"
HUNYUAN = "LicenseRef-mosaic-tencent-hunyuan-community"
FAIR = "LicenseRef-scancode-fair-ai-public-1.0-sd"
RAIL = "LicenseRef-scancode-stable-diffusion-2022-08-22"
ALL = Permissions(("image", "rentcivit", "rent", "sell"), True, True, True)


class Experts(SyntheticExperts):
    """Experts that can be named by the digest of their file."""

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        digest = reference.removeprefix("sha256:")
        holder = next((f.id for f in self.known.values() if f.files[0].sha256 == digest), reference)
        return super().resolve(kind, holder, span)


def context(told: Mapping[str, Mapping[str, object]], words: Path | None = None) -> Context:
    """Everything is under Apache-2.0 and for everyone unless told otherwise."""
    known = {
        id_: replace(facts, **{"license": OPEN, "rating": "general", **told.get(id_, {})})  # type: ignore[arg-type]
        for id_, facts in EXPERTS.items()
    }
    return Context(Experts(known), MemoryFiles(), OPERATORS, licences=LicenceTable(), words=WordList(words))


PICTURE = 'emit sample(fuse(base, neon), prompt: "a cat {neon}") as "p.png"'
MODEL = 'emit fuse(base, neon) as "m.safetensors"'


def run(
    policy: str, told: Mapping[str, Mapping[str, object]], body: str = PICTURE, words: Path | None = None
) -> Compiled:
    text = (
        f"mosaic 1\nplan p {{\n{f'policy {{ {policy} }}' if policy else ''}\n"
        'let base = checkpoint("t/base")\nlet neon = lora("t/neon")\nlet wash = lora("t/wash")\n'
        f"{body}\n}}\n"
    )
    if "wash" not in body:
        text = text.replace('let wash = lora("t/wash")\n', "")
    return compile(SourceFile("plan.mosaic", text), context(told, words))


def codes(compiled: Compiled) -> list[str]:
    return [d.code for d in compiled.diagnostics if d.code.startswith("M5") and d.code != "M514"]


def neon(**facts: object) -> dict[str, dict[str, object]]:
    return {"t/neon": facts}


CASES: list[tuple[str, dict[str, dict[str, object]], str, list[str]]] = [
    # Non-commercial licences
    ("use: commercial", neon(license=NC), PICTURE, ["M501"]),
    ("use: personal", neon(license=NC), PICTURE, []),
    ("action: serve", neon(license=NC), PICTURE, ["M502"]),
    ("use: commercial", {"t/base": {"license": NC}}, PICTURE, ["M501", "M510"]),
    ("use: commercial", neon(license="LicenseRef-scancode-stability-ai-nc-2023-12-06"), PICTURE, ["M501"]),
    # The two versions of one licence differ
    ("use: commercial", neon(license="LicenseRef-mosaic-sdxl-turbo-2023"), PICTURE, ["M501"]),
    ("use: commercial, revenue: 5", neon(license="LicenseRef-mosaic-sdxl-turbo-2024"), PICTURE, []),
    # Contested: never approved, never refused
    ("use: commercial", neon(license=FLUX), PICTURE, ["M507"]),
    ("use: commercial, action: serve", neon(license=FLUX), PICTURE, ["M502", "M507"]),
    ("use: personal", neon(license=FLUX), PICTURE, []),
    # Creators' flags
    ("use: commercial", neon(permissions=Permissions(commercial=())), PICTURE, ["M503"]),
    ("use: commercial", neon(permissions=Permissions(commercial=("image",))), PICTURE, []),
    ("action: serve", neon(permissions=Permissions(commercial=("image", "rentcivit"))), PICTURE, ["M503"]),
    ("action: serve", neon(permissions=ALL), PICTURE, []),
    ("use: personal", neon(permissions=Permissions(commercial=())), PICTURE, []),
    (
        "use: commercial, action: redistribute",
        neon(permissions=Permissions(commercial=("image", "rent"))),
        MODEL,
        ["M503"],
    ),
    ("action: redistribute", neon(permissions=Permissions(derivatives=False)), MODEL, ["M503"]),
    ("action: redistribute", neon(permissions=Permissions(derivatives=False)), PICTURE, []),
    # Merges
    ("action: redistribute", neon(license="CC-BY-ND-4.0"), MODEL, ["M504"]),
    ("action: redistribute", neon(license="CC-BY-ND-4.0"), PICTURE, []),
    ("action: generate", neon(license="CC-BY-ND-4.0"), MODEL, []),
    ("action: redistribute", {"t/base": {"license": "CC-BY-ND-4.0"}}, 'emit base as "m.safetensors"', []),
    ("action: redistribute", {"t/base": {"license": FAIR}, **neon(license="CC-BY-SA-4.0")}, MODEL, ["M505"]),
    ("action: redistribute", {"t/base": {"license": FAIR}, **neon(license=FAIR)}, MODEL, []),
    (
        "action: redistribute",
        {"t/base": {"license": "CC-BY-SA-3.0"}, **neon(license="CC-BY-SA-4.0")},
        MODEL,
        [],
    ),
    ("action: redistribute", {"t/base": {"license": FAIR}, **neon(license="CC-BY-SA-4.0")}, PICTURE, []),
    (
        "action: redistribute",
        {"t/base": {"license": FAIR}, **neon(permissions=Permissions(different_license=False))},
        MODEL,
        ["M505"],
    ),
    ("action: redistribute", neon(license="LicenseRef-mosaic-snofs-1.1"), MODEL, ["M515"]),
    # Revenue and territory
    ("use: commercial, revenue: 1000000", neon(license=STABILITY), PICTURE, []),
    ("use: commercial, revenue: 1000001", neon(license=STABILITY), PICTURE, ["M506"]),
    ("use: commercial", neon(license=STABILITY), PICTURE, ["M509"]),
    ("use: personal, revenue: 9000000", neon(license=STABILITY), PICTURE, []),
    ('use: personal, territory: "KR"', neon(license=HUNYUAN), PICTURE, ["M508"]),
    ('use: personal, territory: "us, de"', neon(license=HUNYUAN), PICTURE, ["M508"]),
    ('use: personal, territory: "EU"', neon(license=HUNYUAN), PICTURE, ["M508"]),
    ('use: personal, territory: "WORLD"', neon(license=HUNYUAN), PICTURE, ["M508"]),
    ('use: personal, territory: "US"', neon(license=HUNYUAN), PICTURE, []),
    ("use: personal", neon(license=HUNYUAN), PICTURE, ["M509"]),
    # Unknown licences
    ("use: personal", neon(license=None), PICTURE, ["M511"]),
    ("use: commercial", neon(license=None), PICTURE, ["M512"]),
    ("use: commercial", neon(license="other"), PICTURE, ["M512"]),
    ("use: commercial, unknown: warn", neon(license=None), PICTURE, ["M511"]),
    ("use: personal, unknown: deny", neon(license=None), PICTURE, ["M512"]),
    ("use: commercial", neon(license=None, permissions=ALL), PICTURE, ["M511"]),
    ("rating: any", neon(license=None), PICTURE, []),
    # Credit
    ("credit: false", neon(license="CC-BY-4.0"), PICTURE, ["M513"]),
    ("credit: true", neon(license="CC-BY-4.0"), PICTURE, []),
    ("credit: false", neon(permissions=Permissions(no_credit=False)), PICTURE, ["M513"]),
    ("credit: false", neon(license="MIT"), PICTURE, []),
    ("credit: false, action: redistribute", neon(license="MIT"), MODEL, ["M513", "M513"]),
    # A choice of licences: the one that suits
    ("use: commercial", neon(license=f"{NC} OR MIT"), PICTURE, []),
    ("use: commercial", neon(license=f"{NC} AND MIT"), PICTURE, ["M501"]),
    ("use: commercial", neon(license="Apache-2.0 WITH LLVM-exception"), PICTURE, []),
    # Permissions that nobody could give
    ("use: commercial", {"t/base": {"license": FLUX}}, PICTURE, ["M507", "M510"]),
    ("use: personal", {"t/base": {"license": FLUX}}, PICTURE, []),
    (
        "use: commercial",
        {"t/base": {"license": FLUX}, **neon(license=FLUX, permissions=ALL)},
        PICTURE,
        ["M507", "M507", "M510"],
    ),
    (
        "use: commercial",
        {"t/robot": {"license": NC}, **neon(trained_on=EXPERTS["t/robot"].files[0].sha256)},
        PICTURE,
        ["M510"],
    ),
    ("use: commercial", neon(trained_on="0" * 64), PICTURE, []),
    # Ratings
    ("rating: general", neon(rating="mature"), PICTURE, ["M520"]),
    ("rating: mature", neon(rating="mature"), PICTURE, []),
    ("rating: mature", neon(rating="explicit"), PICTURE, ["M520"]),
    ("rating: any", neon(rating="explicit"), PICTURE, []),
    ("rating: general", neon(rating=None), PICTURE, ["M522"]),
    ("rating: mature", neon(rating=None), PICTURE, []),
    # Nothing is judged that no policy asks for
    ("", neon(license=NC, rating="explicit", permissions=Permissions(commercial=())), PICTURE, []),
]


@pytest.mark.parametrize(("policy", "told", "body", "expected"), CASES)
def test_verdicts(policy: str, told: dict[str, dict[str, object]], body: str, expected: list[str]) -> None:
    assert sorted(codes(run(policy, told, body))) == expected


def test_an_expert_that_reaches_no_emit_is_not_judged() -> None:
    body = 'let other = sample(fuse(base, neon), prompt: "x")\nemit sample(base, prompt: "a cat") as "p.png"'
    assert codes(run("use: commercial", neon(license=NC), body)) == []


def test_rights_are_those_of_every_model_that_a_picture_passes_through() -> None:
    body = (
        'let draft = sample(fuse(base, neon), prompt: "a cat", until: 50%)\n'
        'emit resume(base, draft) as "p.png"'
    )
    assert codes(run("use: commercial", neon(license=NC), body)) == ["M501"]


def test_an_expert_used_twice_is_judged_once() -> None:
    picture = 'emit sample(fuse(base, neon), prompt: "a") as'
    body = f'{picture} "a.png"\n{picture} "b.png"'
    assert codes(run("use: commercial", neon(license=NC), body)) == ["M501"]


def test_the_message_points_at_the_expert_and_at_the_policy() -> None:
    (found,) = [
        d for d in run("use: commercial, credit: true", neon(license=NC)).diagnostics if d.code == "M501"
    ]
    assert found.span is not None and found.span.text == '"t/neon"'
    assert [label.span.text for label in found.labels()] == ["use: commercial"]
    assert any("section 2(a)(1)" in line for line in found.help())


def test_an_expert_that_is_allowed_is_offered_instead() -> None:
    (found,) = [d for d in run("use: commercial", neon(license=NC)).diagnostics if d.code == "M501"]
    (fix,) = found.fixes()
    assert not fix.safe
    mended = apply_fixes(found.span.source.text, [fix]) if found.span else ""
    assert 'lora("t/wash")' in mended
    assert codes(compile(SourceFile("plan.mosaic", mended), context(neon(license=NC)))) == []


def test_an_expert_that_the_policy_refuses_is_not_offered() -> None:
    told = {id_: {"license": NC} for id_ in EXPERTS if id_ != "t/base"}
    (found,) = [d for d in run("use: commercial", told).diagnostics if d.code == "M501"]
    assert found.fixes() == ()


def test_the_plans_policy_goes_before_the_files_key_by_key() -> None:
    picture = 'emit sample(fuse(checkpoint("t/base"), lora("t/neon")), prompt: "x") as "a.png"'
    text = (
        "mosaic 1\npolicy { use: commercial, rating: general }\n"
        f"plan loud {{ policy {{ use: personal }}\n {picture} }}\nplan quiet {{ {picture} }}\n"
    )
    compiled = compile(SourceFile("plan.mosaic", text), context(neon(license=NC, rating="mature")))
    found = [d for d in compiled.diagnostics if d.code.startswith("M5")]
    assert [(d.code, d.span.source.position(d.span.start)[0]) for d in found if d.span] == [
        ("M520", 4),
        ("M501", 5),
        ("M520", 5),
    ]


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("use: personal, use: commercial", "M308"),
        ("use: comercial", "M304"),
        ("licence: MIT", "M304"),
        ('use: "personal"', "M301"),
        ("revenue: -1", "M517"),
        ('territory: "Germany"', "M516"),
        ('territory: ""', "M516"),
        ("credit: 1", "M301"),
    ],
)
def test_what_is_no_policy(policy: str, code: str) -> None:
    assert code in [d.code for d in run(policy, {}).diagnostics]


def test_a_policy_survives_the_passes_and_changes_no_digest() -> None:
    plain, judged = run("", {}), run('use: commercial, revenue: 10, territory: "de"', {})
    assert judged.graphs[0].policy == Policy(use="commercial", revenue=10, territory=("DE",))
    assert plain.graphs[0].policy is None
    assert plain.graphs[0].digest == judged.graphs[0].digest
    assert plain.programs[0].digest == judged.programs[0].digest
    assert len(RESOLVE) + len(OPTIMISE) > 4


def test_clauses_for_a_person_are_listed() -> None:
    compiled = run("use: commercial", neon(license=RAIL))
    (note,) = [d for d in compiled.diagnostics if d.code == "M514"]
    assert note.severity is Severity.NOTE
    assert any("Attachment A" in line for line in note.help())


def test_what_is_owed_goes_into_the_program() -> None:
    told = {"t/base": {"license": STABILITY}, "t/neon": {"license": RAIL, "title": "Neon"}}
    rights = run("action: serve, revenue: 10", told, MODEL).programs[0].rights
    base, lora = rights.duties
    assert base.notices[0] == "Powered by Stability AI"
    assert lora.credit == "“Neon” (t/neon), CreativeML OpenRAIL-M"
    assert lora.restrictions and "Attachment A" in lora.restrictions[0]
    assert {base.verdict, lora.verdict} == {"allowed"}
    assert rights.policy == {"action": "serve", "revenue": 10.0}
    assert rights.rating == "general"
    picture = run("", told).programs[0].rights
    assert [duty.credit for duty in picture.duties] == ["", ""]
    assert picture.policy is None and picture.duties[0].verdict == ""


def test_a_contested_right_is_never_called_allowed() -> None:
    rights = run("use: commercial", {"t/base": {"license": FLUX}}).programs[0].rights
    assert [duty.verdict for duty in rights.duties] == ["contested", "allowed"]
    assert "as expressly prohibited herein" in rights.duties[0].reasons[0]


def test_what_find_asks() -> None:
    facts = replace(EXPERTS["t/neon"], license=NC, rating="mature")
    world = context({})
    assert refusal(facts, None, world) == ""
    assert refusal(facts, Policy(use="personal"), world) == ""
    assert refusal(facts, Policy(use="commercial"), world) == "no commercial use"
    assert refusal(facts, Policy(rating="general"), world) == "rated mature"
    assert refusal(replace(facts, license=FLUX), Policy(use="commercial"), world) == ""
    assert refusal(replace(facts, license="CC-BY-ND-4.0"), Policy(action="redistribute"), world) != ""


def prompt(text: str) -> str:
    return f'emit sample(base, prompt: "{text}") as "p.png"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a nude figure", ["M521"]),
        ("a NUDE figure", ["M521"]),
        ("a nüdé figure", ["M521"]),
        ("a n\u200bude figure", ["M521"]),
        ("a \uff4e\uff55\uff44\uff45 figure", ["M521"]),
        ("a nud3 figure", ["M521"]),
        ("self-harm", ["M521"]),
        ("a self_harm", ["M521"]),
        ("a denuded hill", []),
        ("Essex in spring", []),
        ("a cat, 64 of them, 1 0 1", []),
    ],
)
def test_words_of_prompts(text: str, expected: list[str]) -> None:
    assert codes(run("rating: general", {}, prompt(text))) == expected


def test_words_are_looked_for_after_parameters_are_filled_in() -> None:
    text = 'mosaic 1\nparam who: text = "cat"\nplan p { policy { rating: general }\n' + (
        'emit sample(checkpoint("t/base"), prompt: "a {who}") as "p.png" }\n'
    )
    source = SourceFile("plan.mosaic", text)
    assert codes(compile(source, context({}))) == []
    assert codes(compile(source, context({}), parameters={"who": "nude cat"})) == ["M521"]


def test_a_negative_prompt_names_what_is_not_to_be_seen() -> None:
    body = 'emit sample(base, prompt: "a cat", negative: "nude") as "p.png"'
    assert codes(run("rating: general", {}, body)) == []


def test_explicit_words_are_above_mature_ones() -> None:
    assert codes(run("rating: mature", {}, prompt("nude"))) == []
    assert codes(run("rating: mature", {}, prompt("porn"))) == ["M521"]
    assert codes(run("rating: any", {}, prompt("porn"))) == []


def test_the_list_of_words_can_be_replaced(tmp_path: Path) -> None:
    own = tmp_path / "words.toml"
    own.write_text(
        '[[category]]\nname = "house"\nrating = "mature"\nwords = ["blue moon"]\n', encoding="utf-8"
    )
    assert codes(run("rating: general", {}, prompt("a Blue-Moon night"), own)) == ["M521"]
    assert codes(run("rating: general", {}, prompt("nude"), own)) == []


@pytest.mark.parametrize(
    "text",
    [
        "category = 1",
        "[[category]]\nname = 'a'\nwords = ['b']",
        "[[category]]\nname = 'a'\nrating = 'mature'\nwords = 'b'",
        "[[category]]\nrating = 'mature'\nwords = ['b']",
        "not toml",
        "",
    ],
)
def test_a_broken_list_of_words_is_told(tmp_path: Path, text: str) -> None:
    own = tmp_path / "words.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(MosaicError) as raised:
        WordList(own).found("a cat")
    assert [d.code for d in raised.value.diagnostics] == ["M524"]
    with pytest.raises(MosaicError):
        WordList(tmp_path / "nowhere.toml").found("a cat")


SAFE = {"t/wash": {"last": True}}


def safety(body: str) -> list[Diagnostic]:
    return [d for d in run("", SAFE, body).diagnostics if d.code == "M523"]


def test_a_safety_expert_is_merged_last() -> None:
    body = 'emit sample(fuse(base, wash * 0.5, neon), prompt: "a cat {neon}") as "p.png"'
    (found,) = safety(body)
    assert found.span is not None and found.span.text == "wash * 0.5"
    (fix,) = found.fixes()
    assert fix.safe
    mended = apply_fixes(found.span.source.text, [fix])
    assert "fuse(base, neon, wash * 0.5)" in mended
    assert not [
        d for d in compile(SourceFile("p.mosaic", mended), context(SAFE)).diagnostics if d.code == "M523"
    ]
    assert safety('emit sample(fuse(base, neon, wash), prompt: "a cat {neon}") as "p.png"') == []


def test_nothing_is_fused_around_a_safety_expert() -> None:
    body = 'let inner = fuse(base, wash)\nemit sample(fuse(inner, neon), prompt: "a cat {neon}") as "p.png"'
    (found,) = safety(body)
    assert found.span is not None and found.span.text == '"t/wash"'
    assert [label.span.text for label in found.labels()] == ["neon"]
    assert found.fixes() == ()


@pytest.mark.parametrize(
    ("model", "at", "after"),
    [
        ("fuse(base, fuse(base, wash), neon)", "fuse(base, wash)", "neon"),
        ("fuse(fuse(base, fuse(base, wash)), neon)", '"t/wash"', "neon"),
        ("fuse(base, wash, fuse(base, neon))", "wash", "fuse(base, neon)"),
        ("fuse(base, wash * 0.5, fuse(robot, neon) * 0.5)", "wash * 0.5", "fuse(robot, neon) * 0.5"),
        (
            "fuse(base, fuse(base, neon, wash), fuse(base, neon * 0.5), via: blend)",
            "fuse(base, neon, wash)",
            "",
        ),
        ("fuse(base, neon, fuse(base, wash))", "", ""),
        ("fuse(base, fuse(base, neon), wash)", "", ""),
        # The last time that it is merged counts.
        ("fuse(base, fuse(base, neon, wash), fuse(base, neon * 0.5, wash), via: blend)", "", ""),
        ("fuse(base, wash, fuse(robot, wash))", "", ""),
        # Its words stay behind: it adds nothing.
        ("fuse(base, wash, fuse(base, hero))", "", ""),
    ],
)
def test_a_safety_expert_is_seen_inside_fused_models(model: str, at: str, after: str) -> None:
    found = safety(
        'let hero = embedding("t/hero")\nlet robot = checkpoint("t/robot")\n'
        f'emit sample({model}, prompt: "a {{hero}} {{neon}}") as "p.png"\n'
        'emit sample(fuse(robot, hero), prompt: "a {hero}") as "q.png"'
    )
    assert [d.span.text for d in found if d.span] == ([at] if at else [])
    if after:
        assert [label.span.text for label in found[0].labels()] == [after]
    for fix in (fix for d in found for fix in d.fixes()):
        assert found[0].span is not None
        mended = apply_fixes(found[0].span.source.text, [fix])
        result = compile(SourceFile("p.mosaic", mended), context(SAFE))
        assert "M523" not in [d.code for d in result.diagnostics]


def test_messages_of_a_fragment_point_at_its_call(compiled: Callable[..., Compiled]) -> None:
    text = (
        "mosaic 1\npolicy { use: commercial }\n"
        'define look(base: model) -> model { let neon = lora("t/neon")\n return fuse(base, neon) }\n'
        'plan p { emit sample(look(checkpoint("t/base")), prompt: "x") as "p.png" }\n'
    )
    result = compile(SourceFile("plan.mosaic", text), context(neon(license=NC)))
    (found,) = [d for d in result.diagnostics if d.code == "M501"]
    assert found.span is not None and found.span.text.startswith("look(")
    assert '"t/neon"' in [label.span.text for label in found.labels()]
    assert found.fixes() == ()
