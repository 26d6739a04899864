"""Device profiles: read, written, learned from runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mosaic.compiler.cost.architecture import Work
from mosaic.compiler.cost.profile import Ratio
from mosaic.compiler.cost.refine import KEPT, refined
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.operators import Effort
from mosaic.profiles import find_profile, learn, load_profile, save_profile
from mosaic.stdlib import find_operators, find_profiles


def content(name: str = "cpu-8") -> dict[str, object]:
    read: dict[str, object] = json.loads(find_profiles()[name].read_text())
    return read


@pytest.mark.parametrize("name", sorted(find_profiles()))
def test_shipped_profiles_are_estimates_and_price_everything(name: str) -> None:
    profile = load_profile(find_profiles()[name])
    assert profile.is_estimate
    assert {effort.value for effort in Effort} | {"compared", "cut"} == set(profile.merge)
    assert {each.effort.value for each in find_operators().values()} <= set(profile.merge)
    assert 0 < profile.seconds(Work(1e9, 1e9, 1e9, 1e6, 1e6, 1e6, 100)) < 10


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    profile = load_profile(find_profiles()["a100"])
    save_profile(tmp_path / "deep" / "machine.json", profile)
    assert load_profile(tmp_path / "deep" / "machine.json") == profile


def test_a_profile_is_found_by_name_by_path_and_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MOSAIC_PROFILE", raising=False)
    assert find_profile() is None
    assert find_profile("h100") == find_profiles()["h100"]
    assert find_profile("a/machine.json") == Path("a/machine.json")
    monkeypatch.setenv("MOSAIC_PROFILE", "rtx-3060")
    assert find_profile() == find_profiles()["rtx-3060"]
    monkeypatch.delenv("MOSAIC_PROFILE")
    save_profile(tmp_path / "mosaic" / "profile.json", load_profile(find_profiles()["cpu-8"]))
    assert find_profile() == tmp_path / "mosaic" / "profile.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 7}, "its version is 7"),
        ({"launch": None}, "`launch` is not a number above zero"),
        ({"launch": 0}, "`launch` is not a number above zero"),
        ({"launch": True}, "`launch` is not a number above zero"),
        ({"more": 1}, "`more` is not known"),
        ({"device": "toaster"}, "no device is 'toaster'"),
        ({"device": []}, "no device is []"),
        ({"dtype": ["float32"]}, "no device is"),
        ({"rates": {"conv": 1}}, "`rates` has not matmul"),
        ({"merge": []}, "`merge` is no table"),
        ({"merge": {"adds": "1"}}, "`merge.adds` is not a number above zero"),
        ({"is_estimate": 1}, "`is_estimate` is neither"),
    ],
)
def test_what_is_no_profile_is_said(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({**content(), **change}))
    with pytest.raises(MosaicError) as caught:
        load_profile(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "M891"
    assert said in diagnostic.message()


@pytest.mark.parametrize("text", ["", "[]", "{", "nonsense", '{"version": 1}'])
def test_what_is_not_even_json_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(MosaicError, match="M891"):
        load_profile(path)


def test_runs_move_a_correction_only_when_they_leave_its_band() -> None:
    profile = load_profile(find_profiles()["cpu-8"])
    assert refined(profile, {"denoise": [1.5, 1.5]}).ratio("denoise") == Ratio(1.0, profile.spread)
    learned = refined(profile, {"denoise": [1.4, 1.5, 1.6]})
    assert learned.ratio("denoise") == Ratio(1.5, pytest.approx(1.58), 3)
    assert refined(profile, {"denoise": [1.4, 1.5, 1.6, 1.55]}).ratio("denoise").p50 == 1.5
    moved = refined(profile, {"denoise": [1.4, 1.5, 1.6, *[2.0] * 9]}).ratio("denoise")
    assert moved.p50 == 2.0
    assert learned.ratio("decode_latent").runs == 0


def test_runs_are_remembered_beside_the_profile_and_forgotten_with_it(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    save_profile(path, load_profile(find_profiles()["cpu-8"]))
    for _ in range(KEPT):
        learn(path, {"denoise": [2.0, 2.0]})
    assert load_profile(path).ratio("denoise") == Ratio(2.0, 2.0, KEPT)
    beside = path.with_suffix(".runs.json")
    beside.write_text(beside.read_text()[:-20])
    assert load_profile(path).refined == {}
    learn(path, {"denoise": [3.0, 3.0, 3.0]})
    assert load_profile(path).ratio("denoise").p50 == 3.0
    save_profile(path, load_profile(find_profiles()["h100"]))
    assert load_profile(path).refined == {}
