"""Constraints on answers: the grammar of `response_format` and `tools`, and the form in which calls are parsed."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase

from finery.contracts.chat_prompts import ChatPrompts
from finery.engines.transformers.grammars import Grammar, GrammarRefused, Grammars, GrammarsMissing, json_rule
from finery.engines.transformers.schemas import SchemaRefused, check_bounds, closed
from finery.engines.transformers.tool_calls import CallForm, CallReader, find_form, shows_tools
from finery.engines.wire import ChatRequest, GenerationRequest, RequestRefused
from finery.engines.wire_types import JsonObjectFormat, JsonSchemaFormat, ResponseFormat, Tool

SCHEMA_PARAM = "response_format.json_schema.schema"
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True)
class OutputConstraints:
    grammar: Grammar | None = None
    """None where the answer is free."""
    form: CallForm | None = None
    """How tool calls are written; None where none are parsed."""
    max_calls: int | None = None
    marks: frozenset[int] = frozenset()
    """Special tokens that mark tool calls, and that therefore stay in the decoded text."""

    def reader(self) -> CallReader | None:
        """Returns a reader of the calls in one answer."""
        return None if self.form is None else CallReader(self.form, max_calls=self.max_calls)


class ConstraintReader:
    """Derives the constraints of requests to one model. Safe to use on any thread."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, grammars: Grammars, prompts: ChatPrompts) -> None:
        self._tokenizer = tokenizer
        self._grammars = grammars
        self._prompts = prompts

    def read(self, request: GenerationRequest) -> OutputConstraints:
        """Returns the request's constraints, which may take a second to compile. Raises RequestRefused."""
        try:
            if isinstance(request, ChatRequest) and request.offered_tools:
                return self._with_tools(request, request.offered_tools)
            final = self._final_rule(request.response_format)
            grammar = None if final is None else self._compile(f"start: {final}", "response_format")
            return OutputConstraints(grammar)
        except GrammarsMissing as error:
            param = "response_format"
            if isinstance(request, ChatRequest) and request.response_format is None:
                param = request.tools_param
            raise RequestRefused(f"{param} {error}.", param=param, code="unsupported_parameter") from error

    def _with_tools(self, request: ChatRequest, tools: list[Tool]) -> OutputConstraints:
        form = self._readable_form(request.tools_param)
        single = request.makes_one_call or form.between is None
        grammar = self._tools_grammar(request, tools, form, single=single)
        return OutputConstraints(grammar, form, 1 if single else None, self._marks)

    def _readable_form(self, param: str) -> CallForm:
        if not self._shows_tools:
            raise RequestRefused(
                "This model's chat template does not know tools.", param=param, code="unsupported_parameter"
            )
        if self._form is None:
            raise RequestRefused(
                "This model's chat template writes tool calls in a form that this engine does not read.",
                param=param,
                code="unsupported_parameter",
            )
        return self._form

    @cached_property
    def _shows_tools(self) -> bool:
        return shows_tools(self._prompts)

    @cached_property
    def _form(self) -> CallForm | None:
        return find_form(self._prompts)

    @cached_property
    def _marks(self) -> frozenset[int]:
        texts = [] if self._form is None else [self._form.open, self._form.between or "", self._form.close]
        tokens = {token for text in texts for token in self._prompts.ids(text)}
        return (
            frozenset(token for token, added in self._tokenizer.added_tokens_decoder.items() if added.special) & tokens
        )

    def _tools_grammar(
        self, request: ChatRequest, tools: list[Tool], form: CallForm, *, single: bool
    ) -> Grammar | None:
        """Returns None where calls are only parsed and the answer is free. Raises RequestRefused."""
        final = self._final_rule(request.response_format)
        is_strict = any(tool.function.strict for tool in tools)
        if not (request.must_call or is_strict or final):
            return None
        param = request.choice_param if request.must_call else "response_format" if final else request.tools_param
        if form.has_more_keys or (not form.mark and not request.must_call and not final):
            raise RequestRefused(
                "This model's chat template writes tool calls in a form that this engine reads, but cannot enforce.",
                param=param,
                code="unsupported_parameter",
            )
        chosen = {at: tool for at, tool in enumerate(tools) if request.chosen_function in (None, tool.function.name)}
        if not request.must_call and final is None:
            # In free text each mark begins a call; a rule for further calls would compete with the text after one.
            single = single or form.mark in (form.between or "")
            return self._compile(f"{self._free_text(form)}\n{self._call_rules(chosen, form, single=single)}", param)
        calls = f"{self._grammars.literal(form.open)} calls\n{self._call_rules(chosen, form, single=single)}"
        return self._compile(
            f"start: {calls}" if request.must_call else f"start: final | {calls}\nfinal: {final}", param
        )

    def _free_text(self, form: CallForm) -> str:
        """Returns the rules for any text in which the form's mark begins calls."""
        mark = self._grammars.literal(form.mark)
        rest = self._grammars.literal(form.open.lstrip().removeprefix(form.mark))
        is_token = mark.startswith("<[")
        begin = f"begin: TEXT {mark}" if is_token else f"begin[lazy]: TEXT {mark}"
        return f"start: tag* TEXT\ntag: begin {rest} calls\n{begin}\nTEXT: /(.|\\n)*/"

    def _call_rules(self, tools: dict[int, Tool], form: CallForm, *, single: bool) -> str:
        names = " | ".join(f"call_{at}" for at in tools)
        more = "" if single or form.between is None else f"({self._grammars.literal(form.between)} call)*"
        rules = [f"calls: call {more} {self._grammars.literal(form.close)}", f"call: {names}"]
        return "\n".join([*rules, *(self._call_rule(at, tool, form) for at, tool in tools.items())])

    def _call_rule(self, at: int, tool: Tool, form: CallForm) -> str:
        before, middle, after = form.parts
        parameters = NO_PARAMETERS if tool.function.parameters is None else tool.function.parameters
        arguments = self._schema_rule({"type": "object", **parameters}, f"tools[{at}].function.parameters")
        name = json.dumps(tool.function.name, ensure_ascii=False)
        literals = [self._grammars.literal(text) for text in (f"{before}{name}{middle}", after)]
        return f"call_{at}: {literals[0]} {arguments} {literals[1]}"

    def _final_rule(self, wanted: ResponseFormat | None) -> str | None:
        if isinstance(wanted, JsonSchemaFormat):
            return self._schema_rule(wanted.json_schema.schema_, SCHEMA_PARAM, closes=True)
        return json_rule({"type": "object"}) if isinstance(wanted, JsonObjectFormat) else None

    def _schema_rule(self, schema: dict[str, Any], param: str, *, closes: bool = False) -> str:
        try:
            check_bounds(schema)
            schema = closed(schema) if closes else schema
            self._grammars.check_schema(schema)
        except (SchemaRefused, GrammarRefused) as error:
            raise RequestRefused(f"This engine cannot follow the schema: {error}.", param=param) from error
        return json_rule(schema)

    def _compile(self, lark: str, param: str) -> Grammar:
        try:
            return self._grammars.compile(lark)
        except GrammarRefused as error:
            raise RequestRefused(f"This engine cannot follow {param}: {error}.", param=param) from error
