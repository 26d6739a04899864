"""Plans by a model behind an endpoint: what it is sent, what becomes of what it answers, and where its key goes."""

from __future__ import annotations

import pytest

from mosaic.compiler.explain import explain_code


@pytest.mark.parametrize("code", ["M862", "M863", "M864", "M865"])
def test_what_keeps_a_model_from_writing_is_explained(code: str) -> None:
    assert explain_code(code)
