"""M5xx: licences, creators' wishes, ratings, safety."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.corpus.scene import Scene, Use
from benchmarks.corpus.world import World

from mosaic.compiler.facts import Permissions

_NC = ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "LicenseRef-scancode-stability-ai-nc-2023-12-06")
_FREE = ("Apache-2.0", "MIT", "CC0-1.0")
_COMMERCIAL = {"use": "commercial"}
_SERVED = {"action": "serve"}
_PASSED_ON = {"action": "redistribute"}
_GENERAL = {"rating": "general"}


def _free(world: World) -> dict[str, Any]:
    """Facts of an expert that nothing is said against."""
    return {"license": world.random.choice(_FREE), "rating": "general", "permissions": None}


def _scene(world: World, policy: dict[str, str], mark: str = "", **facts: Any) -> Scene:
    """A free base, free LoRAs, and one expert of which something is stated: a LoRA, or the base itself."""
    name = world.random.choice(("sd1", "sdxl"))
    others = [Use(world.lora(name, **_free(world)), 0.4) for _ in range(world.random.randint(0, 2))]
    if mark != "load" or world.random.random() < 0.7:
        place = world.random.randint(0, len(others))
        lora = Use(world.lora(name, **{**_free(world), **facts}), 0.5)
        uses = [*others[:place], lora, *others[place:]]
        return Scene(world.base(name, **_free(world)), uses, f"{mark}:{place}" if mark else "", policy=policy)
    return Scene(world.base(name, **{**_free(world), **facts}), others, "base", policy=policy)


def not_for_money(world: World) -> Scene:
    return _scene(world, _COMMERCIAL, "load", license=world.random.choice(_NC))


def for_money(world: World) -> Scene:
    return _scene(world, _COMMERCIAL, license=world.random.choice(("CC-BY-4.0", "CC-BY-SA-4.0", *_FREE)))


def personal(world: World) -> Scene:
    """What is not for money is for oneself."""
    return _scene(world, {"use": "personal"}, license=world.random.choice(_NC))


def not_to_serve(world: World) -> Scene:
    return _scene(world, _SERVED, "load", license=world.random.choice((*_NC, "LicenseRef-mosaic-pony-v6")))


def to_serve(world: World) -> Scene:
    return _scene(world, _SERVED, license=world.random.choice(("CC-BY-4.0", *_FREE)))


def creator_forbids(world: World) -> Scene:
    policy, allowed = world.random.choice(
        ((_COMMERCIAL, ("rent",)), (_SERVED, ("image",)), (_COMMERCIAL, ()))
    )
    return _scene(world, policy, "load", permissions=Permissions(commercial=allowed))


def creator_allows(world: World) -> Scene:
    policy, allowed = world.random.choice(((_COMMERCIAL, ("image",)), (_SERVED, ("rent", "image"))))
    return _scene(world, policy, permissions=Permissions(commercial=allowed))


def no_merges(world: World) -> Scene:
    return replace(
        _merged(world, license=world.random.choice(("CC-BY-ND-4.0", "CC-BY-ND-3.0"))), passes_on=True
    )


def _merged(world: World, **facts: Any) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    first, second = (Use(world.lora(name, **{**_free(world), **given}), 0.4) for given in (facts, {}))
    return Scene(world.base(name, **_free(world)), [first, second], "load:0", policy=_PASSED_ON)


def creator_forbids_merges(world: World) -> Scene:
    return replace(_merged(world, permissions=Permissions(derivatives=False)), passes_on=True)


def creator_allows_merges(world: World) -> Scene:
    return replace(_merged(world, permissions=Permissions(derivatives=True)), mark="", passes_on=True)


def stacked(world: World) -> Scene:
    """Nothing is merged where a picture is passed on."""
    return _scene(world, _PASSED_ON, license="CC-BY-ND-4.0")


_LOCKS = ("CC-BY-SA-4.0", "LicenseRef-scancode-fair-ai-public-1.0-sd", "AGPL-3.0-only")


def locks_differ(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    first, second = world.random.sample(
        ("CC-BY-SA-4.0", "LicenseRef-scancode-fair-ai-public-1.0-sd", "AGPL-3.0-only"), 2
    )
    uses = [Use(world.lora(name, **{**_free(world), "license": lock}), 0.4) for lock in (first, second)]
    return Scene(world.base(name, **_free(world)), uses, "load:1", policy=_PASSED_ON, passes_on=True)


def locks_agree(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    uses = [Use(world.lora(name, **{**_free(world), "license": "CC-BY-SA-4.0"}), 0.4) for _ in range(2)]
    return Scene(world.base(name, **_free(world)), uses, policy=_PASSED_ON, passes_on=True)


_COMMUNITY = "LicenseRef-scancode-stability-ai-community-2024"


def much_revenue(world: World) -> Scene:
    return _scene(
        world,
        {**_COMMERCIAL, "revenue": str(world.random.randint(1_000_001, 9_000_000))},
        "load",
        license=_COMMUNITY,
    )


def little_revenue(world: World) -> Scene:
    return _scene(
        world, {**_COMMERCIAL, "revenue": str(world.random.randint(0, 1_000_000))}, license=_COMMUNITY
    )


def revenue_unsaid(world: World) -> Scene:
    return _scene(world, _COMMERCIAL, "load", license=_COMMUNITY)


def contested(world: World) -> Scene:
    return _scene(world, _COMMERCIAL, "load", license="LicenseRef-scancode-flux-1-nc")


_TENCENT = "LicenseRef-mosaic-tencent-hunyuan-community"


def outside(world: World) -> Scene:
    where = world.random.choice(('"DE"', '"US, GB"', '"EU"', '"KR"'))
    return _scene(world, {"use": "personal", "territory": where}, "load", license=_TENCENT)


def inside(world: World) -> Scene:
    where = world.random.choice(('"US"', '"JP, BR"', '"CA"'))
    return _scene(world, {"use": "personal", "territory": where}, license=_TENCENT)


def laundered(world: World) -> Scene:
    """A LoRA that allows what its base does not."""
    base = world.base("flux", **{**_free(world), "license": "LicenseRef-scancode-flux-1-nc"})
    trained = world.record(base).files[0].fact.sha256
    lora = world.lora("flux", **{**_free(world), "trained_on": trained})
    return Scene(base, [Use(lora, 0.5)], "load:0", policy=_COMMERCIAL)


def licence_unknown(world: World) -> Scene:
    return _scene(
        world, {"use": "personal"}, "load", license=world.random.choice((None, "LicenseRef-own-terms"))
    )


def licence_needed(world: World) -> Scene:
    return _scene(world, world.random.choice((_COMMERCIAL, _SERVED)), "load", license=None)


def licence_unasked(world: World) -> Scene:
    """Where no policy asks for rights, nobody has to know them."""
    return _scene(world, _GENERAL, license=None)


def credit_owed(world: World) -> Scene:
    facts: dict[str, Any] = {"license": "CC-BY-4.0"}
    if world.random.random() < 0.4:
        facts = {"permissions": Permissions(no_credit=False)}
    return _scene(world, {**_COMMERCIAL, "credit": "false"}, "load", **facts)


def credit_given(world: World) -> Scene:
    return _scene(world, {**_COMMERCIAL, "credit": "true"}, license="CC-BY-4.0")


def not_to_pass_on(world: World) -> Scene:
    scene = _scene(world, _PASSED_ON, license="LicenseRef-mosaic-snofs-1.1")
    base = world.base("sd1", **{**_free(world), "license": "LicenseRef-mosaic-snofs-1.1"})
    return replace(scene, base=base, uses=(), mark="base", passes_on=True)


def no_country(world: World) -> Scene:
    where = world.random.choice(('"UK"', '"DE, XX"', '"Germany"'))
    return replace(_scene(world, {**_COMMERCIAL, "territory": where}), mark="policy:territory")


def country(world: World) -> Scene:
    return _scene(world, {**_COMMERCIAL, "territory": world.random.choice(('"GB"', '"DE, FR"', '"WORLD"'))})


def negative_revenue(world: World) -> Scene:
    return replace(_scene(world, {**_COMMERCIAL, "revenue": "-5"}), mark="policy:revenue")


def no_revenue(world: World) -> Scene:
    return _scene(world, {**_COMMERCIAL, "revenue": "0"})


def rated_above(world: World) -> Scene:
    allowed, given = world.random.choice(
        (("general", "mature"), ("general", "explicit"), ("mature", "explicit"))
    )
    return _scene(world, {"rating": allowed}, "load", rating=given)


def rated_within(world: World) -> Scene:
    allowed, given = world.random.choice((("general", "general"), ("mature", "mature"), ("any", "explicit")))
    return _scene(world, {"rating": allowed}, rating=given)


def unrated(world: World) -> Scene:
    return _scene(world, _GENERAL, "load", rating=None)


def any_rating(world: World) -> Scene:
    return _scene(world, {"rating": "any"}, rating=None)


def words_above(world: World) -> Scene:
    word = world.random.choice(("nude", "naked", "NUDE", "nudes"))
    return replace(_scene(world, _GENERAL), prompt=f"a {word} figure by the river", mark="prompt")


def words_within(world: World) -> Scene:
    """Words that hold others, and words in the negative prompt."""
    scene = _scene(world, _GENERAL)
    if world.random.random() < 0.5:
        return replace(scene, settings={"negative": '"nude, blurred"'})
    return replace(
        scene, prompt=world.random.choice(("a denuded hill", "a sextant on a table", "a cockatoo in a tree"))
    )


def not_last(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    uses = [Use(world.lora(name, last=True), 0.8), Use(world.lora(name), 0.4)]
    return Scene(
        world.base(name), uses, "use:0", styles=("lets", "lines", "inline", "fragment", "parameters")
    )


def last(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    return Scene(world.base(name), [Use(world.lora(name), 0.4), Use(world.lora(name, last=True), 0.8)])
