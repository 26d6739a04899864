"""Plans by a model behind an endpoint that speaks OpenAI's protocol: OpenAI itself, vLLM, and many others.

A model is held to the language in one of four ways (`Constraint`), and asked over again with the whole history: what
it was told, what it wrote, what the compiler said. Nothing is kept at the other side (`store: false`, no
`previous_response_id`): many servers keep nothing, and what was asked for is nobody else's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mosaic.agent.backends.calls import TOOL, Call, Constraint, Options, chat_body, responses_body
from mosaic.agent.backends.posting import Client, shown
from mosaic.agent.backends.replies import (
    Reply,
    Unusable,
    json_in,
    plan_in,
    read_chat,
    read_response,
    writable,
)
from mosaic.agent.backends.retrying import Failed, Pace, patiently
from mosaic.agent.counting import most_tokens
from mosaic.agent.endpoints import endpoint_of
from mosaic.agent.facets import SCHEMA, read_facets
from mosaic.agent.prompting import (
    MOST_BRIEF,
    MOST_MENDING,
    MOST_PLAN,
    Written,
    answering,
    decomposing,
    digest,
    grammar,
    mending,
    render,
    sent_back,
    writing,
)
from mosaic.agent.quoting import cleaned
from mosaic.agent.tree_json import NotATree, schema, to_text
from mosaic.agent.values import Brief, Decomposition, Draft, Estimate, Request, Round, Usage
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import AnswerUnusable, EndpointFailed

if TYPE_CHECKING:
    from mosaic.agent.spending import Spend

ROUNDS: Final = 3
"""Drafts of one composition, at most."""
_READINGS: Final = 2
"""How often a request is read, at most."""
Reader = Callable[[Request], Decomposition]
"""Takes a request apart without a model."""


class OpenAIBackend:
    """Implements `mosaic.agent.backend.Backend` by an endpoint. With a `reader`, the model only writes plans.

    Where a `spend` is given, its limit is held before each call; what the answers that are returned have cost is for
    the caller to count, what the others have cost is counted here.
    """

    name = "openai"

    def __init__(
        self,
        options: Options,
        *,
        reader: Reader | None = None,
        spend: Spend | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model, self.endpoint = options.model, endpoint_of(options.base_url)
        self._options, self._reader, self._spend = options, reader, spend
        self._sleep, self._pace = sleep, Pace(options.requests_per_minute, sleep)
        self._client = Client(options)
        self._chats = options.constraint in (Constraint.STRUCTURED, Constraint.NONE)

    def __repr__(self) -> str:
        return f"OpenAIBackend({self.model!r}, {self.endpoint!r})"

    # The four of the protocol

    def estimate(self, request: Request) -> Estimate:
        """What one composition spends at most; calls that fail and are made again are not among it."""
        most, form = self._options.max_output_tokens, self._options.constraint
        reading = 0 if self._reader is not None else _READINGS
        system, asked = (most_tokens(text) for text in decomposing(request))
        sent = reading * (system + asked + most_tokens(json.dumps(SCHEMA)))
        held = ""
        if form is Constraint.JSON_SCHEMA:
            held = json.dumps(schema({}))
        elif form is not Constraint.NONE:
            held = grammar({})
        told = most_tokens(render("write.j2", answer=answering(form, TOOL))) + most_tokens(held)
        history = MOST_PLAN + MOST_MENDING
        sent += sum(told + asked + MOST_BRIEF + before * history for before in range(ROUNDS))
        calls = reading + ROUNDS
        return Estimate(calls=calls, input_tokens=sent, output_tokens=calls * most, rounds=ROUNDS)

    def decompose(self, request: Request) -> tuple[Decomposition, Usage]:
        """The parts of a request. Asked once more where the first answer is of no use; M864 where both are."""
        if self._reader is not None:
            return self._reader(request), Usage()
        system, user = decomposing(request)
        call, used = Call(system, (("user", user),), SCHEMA, "facets"), Usage()
        fault = Unusable("no part of it stands in the request")
        for _ in range(_READINGS):
            reply, usage = self._ask(call, used)
            used += usage
            if reply.fault is not None:
                fault = reply.fault
                continue
            try:
                found = read_facets(json_in(reply.text), request.text)
            except Unusable as error:
                fault = error
                continue
            if found.facets:
                return found, used
        raise self._unusable(fault, used)

    def draft(self, brief: Brief) -> Draft:
        """A first plan."""
        return self._write(brief, ())

    def repair(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        """Another plan, told what the compiler said of those before."""
        return self._write(brief, rounds)

    # Writing

    def _write(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        told = writing(brief, answering(self._options.constraint, TOOL))
        turns: list[tuple[str, str]] = [("user", told.user)]
        for each in rounds:
            turns += [("plan", sent_back(each.draft.plan)), ("mending", mending(each))]
        reply, usage = self._ask(self._held(Call(told.system, tuple(turns)), told), Usage())
        fault, plan = reply.fault, ""
        if fault is None:
            try:
                plan = writable(self._plan(reply.text))
            except Unusable as error:
                fault = error
            except NotATree as error:
                fault = Unusable(f"it is no tree of a plan ({error})")
        if fault is not None:
            raise self._unusable(fault, usage)
        sent = digest(told.system, *(text for _, text in turns))
        return Draft(plan=plan, usage=usage, prompt=sent, reply=digest(reply.text))

    def _held(self, call: Call, told: Written) -> Call:
        """A call, held to the language."""
        match self._options.constraint:
            case Constraint.JSON_SCHEMA:
                return replace(call, schema=schema(told.names), name="plan")
            case Constraint.GRAMMAR | Constraint.STRUCTURED:
                return replace(call, grammar=grammar(told.names))
            case Constraint.NONE:
                return call

    def _plan(self, text: str) -> str:
        match self._options.constraint:
            case Constraint.JSON_SCHEMA:
                return to_text(json_in(text))
            case Constraint.GRAMMAR:
                return text
            case _:
                return plan_in(text)

    # Asking

    def _ask(self, call: Call, before: Usage) -> tuple[Reply, Usage]:
        """An answer, and what it cost. Raises MosaicError (M863, M865)."""
        if self._spend is not None:
            self._spend.allow(before)
        begun = time.monotonic()
        failure: Failed | None = None
        try:
            reply = patiently(lambda: self._once(call), self._options.patience, self._sleep)
        except Failed as error:
            failure = error
        if failure is not None:  # raised out here, where no other exception is its context
            raise self._failed(failure, call, before)
        usage = Usage(
            calls=1,
            input_tokens=call.tokens if reply.input_tokens is None else reply.input_tokens,
            output_tokens=most_tokens(reply.text) if reply.output_tokens is None else reply.output_tokens,
            seconds=round(time.monotonic() - begun, 3),
        )
        return replace(reply, text=self._options.key.scrubbed(reply.text)), usage

    def _once(self, call: Call) -> Reply:
        """One try. Raises Failed."""
        self._pace.wait()
        if self._chats:
            return self._believed(read_chat(self._client.post("chat", chat_body(call, self._options))))
        try:
            document = self._client.post("responses", responses_body(call, self._options))
        except Failed as error:
            # Many services that take JSON schemas speak the older protocol alone.
            if self._options.constraint is not Constraint.JSON_SCHEMA or error.status not in (404, 405, 501):
                raise
            self._chats = True
        if self._chats:
            return self._once(call)
        return self._believed(read_response(document, TOOL if call.grammar else ""))

    def _believed(self, reply: Reply) -> Reply:
        if reply.failed:
            reason = f"failed: {shown(reply.failed, self._options)}"
            raise Failed(reason, again=reply.again)
        return reply

    # Faults

    def _failed(self, failure: Failed, call: Call, before: Usage) -> MosaicError:
        if self._spend is not None:
            # What got no answer may have been read, and charged.
            lost = Usage(calls=1, input_tokens=call.tokens) if failure.status is None else Usage()
            self._spend.used(before + lost)
        advice: tuple[str, ...] = ()
        match failure.status:
            case 401 | 403:
                advice = (f"the key is taken from the variable {self._options.key_env}",)
            case 404:
                advice = (f"is there a model `{cleaned(self.model, 80)}`, and is `base_url` right?",)
            case 400 | 422:
                advice = (f"it may not know `constraint = {self._options.constraint}`; there are others",)
            case int(status) if 300 <= status < 400:
                advice = ("no key is sent on; if that is right, make it the `base_url`",)
        return MosaicError(EndpointFailed(None, self.endpoint, failure.reason, failure.status, advice))

    def _unusable(self, fault: Unusable, used: Usage) -> MosaicError:
        if self._spend is not None:
            self._spend.used(used)
        reason = shown(fault.reason, self._options)
        return MosaicError(AnswerUnusable(None, cleaned(self.model, 80), reason, fault.advice))
