"""What a plan may do: licences, creators' flags, ratings. Pure types and judgement over facts.

`terms` is what a machine can tell of a licence, `policy` what a plan says of its use, `judge` what the one says of
the other, `parts` which experts of a graph are concerned, `words` what prompts say, `owed` what is due in return.
"""

from __future__ import annotations

from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.refusal import refusal
from mosaic.compiler.policy.terms import Answer, Licences, Terms, UnknownLicences
from mosaic.compiler.policy.words import Found, NoWords, Words

__all__ = [
    "Answer",
    "Found",
    "Licences",
    "NoWords",
    "Policy",
    "Terms",
    "UnknownLicences",
    "Words",
    "refusal",
]
