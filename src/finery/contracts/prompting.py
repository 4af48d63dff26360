"""The prompt style of models that bring no chat template of their own; training and serving share this one copy."""

FALLBACK_CHAT_TEMPLATE: str = """\
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}
        {{- message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'user' -%}
        {{- '### Instruction:\\n' + message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'assistant' -%}
        {{- '### Response:\\n' -}}
        {%- generation -%}
            {{- message['content'] + (eos_token or '') -}}
        {%- endgeneration -%}
        {{- '\\n\\n' -}}
    {%- else -%}
        {{- raise_exception('This model knows the roles system, user and assistant, not ' + message['role']) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '### Response:\\n' -}}
{%- endif -%}
"""


def alpaca_prompt(instruction: str, input_text: str) -> str:
    """The user turn of an Alpaca row."""
    if not input_text:
        return instruction
    return f"{instruction}\n\n### Input:\n{input_text}"
