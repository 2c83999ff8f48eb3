#!/usr/bin/env python3
"""Writes chat.json: conversations as transformers renders them, for tests/chat_templates.rs.

usage: make_chat_golden.py       (writes beside itself; needs transformers and jinja2)

The templates are in the style of those that models come with; each uses some of what templates use.
"""
import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TALK = [
    {"role": "system", "content": "  Be brief, don't guess.\n"},
    {"role": "user", "content": " What's 1 < 2 & \"why\"? é\u2028 "},
    {"role": "assistant", "content": "<think>\nit is\n</think>\n\nBecause.\n"},
    {"role": "user", "content": "they're half-way: {'a': 1}\tx"},
]
SHORT = [{"role": "user", "content": "hello wORLD"}]

TEMPLATES = {
    "marks of each role": "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
    "a default system message": "{%- if messages[0].role != 'system' %}\n    {{- '[sys]You help.[/sys]' }}\n{%- endif %}\n"
    "{%- for m in messages %}\n    {{- '[' ~ m.role ~ ']' ~ m.content ~ '[/' ~ m.role ~ ']' }}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '[assistant]' }}\n{%- endif %}\n",
    "what the assistant said is marked": "{% for m in messages %}\n{% if m.role == 'assistant' %}\n{{ '<a>' }}{% generation %}"
    "{{ m.content }}{{ eos_token }}{% endgeneration %}\n{% else %}\n<u>{{ m.content }}\n{% endif %}\n{% endfor %}\n",
    "marks that eat blanks": "{%- for m in messages -%}\n  {%- generation -%}\n  {%- set x = m.content | trim -%}\n  {{ x }}\n  {%- endgeneration -%}\n{%- endfor -%}",
    "a scope of its own": "{% set x = 'outer' %}{% generation %}{% set x = 'inner' %}{{ x }}{% endgeneration %}{{ x }}",
    "percent with one": "{% for m in messages %}{{ '<%s>' % m.role }}{{ '%s\\n' % m['content'] | trim }}{% endfor %}",
    "percent with several": "{% for m in messages %}{{ '%02d %-10s|%s' % (loop.index, m.role, m.content | length) + ';' }}{% endfor %}{{ '%d%% %.2f' % (50, 0.5) }}",
    "remainders": "{% for m in messages %}{{ loop.index0 % 2 }}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}!{% endif %}{% endfor %}",
    "messages as JSON": "{{ messages | tojson }}",
    "messages as indented JSON": "{% for m in messages %}{{ m | tojson(indent=2) }}\n{% endfor %}",
    "JSON with arguments": "{{ messages | tojson(ensure_ascii=True, separators=(',', ':'), sort_keys=True) }}"
    "{{ {'z': [], 'a': {}, 'k': [1, 2.5, true, none, 'x'], 'n': {'q': 1e3}} | tojson }}{{ {'b': [{'c': 1}], 'a': []} | tojson(indent=4) }}",
    "title, method and filter": "{% for m in messages %}{{ m.role.title() }}: {{ m.content.title() }} / {{ m.content | title }}\n{% endfor %}",
    "strips": "{% for m in messages %}[{{ m.content.strip() }}][{{ m.content.lstrip() }}][{{ m.content.rstrip() }}]"
    "[{{ m.content.lstrip(' \\nWB') }}][{{ m.content.rstrip('\\n x') }}][{{ m.content.strip('. \\n') }}]{% endfor %}",
    "thoughts are left out": "{%- for m in messages %}\n{%- set text = m.content %}\n{%- if '</think>' in text %}\n"
    "{%- set text = text.split('</think>')[-1].lstrip('\\n') %}\n{%- endif %}\n{{- '<|im_start|>' + m.role + '\\n' + text + '<|im_end|>\\n' }}\n{%- endfor %}",
    "a namespace and the last question": "{%- set ns = namespace(last=-1, seen=false) -%}\n{%- for m in messages[::-1] %}\n"
    "{%- if not ns.seen and m.role == 'user' %}{% set ns.last = messages | length - 1 - loop.index0 %}{% set ns.seen = true %}{% endif %}\n"
    "{%- endfor %}\n{{- ns.last }} {{ ns.seen }} {{ messages[ns.last].content }}",
    "a macro": "{%- macro turn(role, text='', close=true) -%}\n<{{ role }}>{{ text | trim }}{% if close %}</{{ role }}>{% endif %}\n{%- endmacro -%}\n"
    "{%- for m in messages -%}{{ turn(m.role, m.content) }}{%- endfor -%}{{ turn('assistant', close=false) }}",
    "roles that have to alternate": "{{ bos_token }}{% set rest = messages[1:] if messages[0]['role'] == 'system' else messages %}{% for m in rest %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ '[INST] ' + m['content'].strip() + ' [/INST]' if m['role'] == 'user' else ' ' + m['content'].strip() + eos_token }}{% endfor %}",
    "content in parts": "{%- for m in messages %}{%- if m.content is string %}{{- m.content }}{%- else %}{%- for p in m.content %}"
    "{%- if p.type == 'text' %}{{- p.text }}{%- endif %}{%- endfor %}{%- endif %}{%- if not loop.last %}{{- '\\n' }}{%- endif %}{%- endfor %}",
    "what is not given": "{% if tools is defined and tools %}tools{% endif %}{% if tools is not none %}x{% endif %}{{ messages[0].get('name', 'nobody') }}"
    "{% if not custom is defined %}{% set custom = true %}{% endif %}{{ custom }}{{ none }}{{ 1 == 1.0 }}",
    "break, continue and a slice": "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content[:7] }}|{{ m.content[-3:] }}"
    "{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}",
    "a raw block and a comment": "{# {% generation %} '%s' % x #}{% raw %}{{ '%s' % x }}{% generation %}{% endraw %}{{ messages | length }}",
    "text methods": "{% for m in messages %}{{ m.role.upper() }} {{ m.content.startswith(' ') }} {{ m.content.replace('e', '3') }}"
    " {{ m.content.removeprefix(' ').removesuffix('x') | length }} {{ m.content.find('a') }} {{ m.content.splitlines() | length }} {{ m.role.capitalize() }}{% endfor %}",
    "items and a join": "{% for m in messages %}{% for k, v in m.items() %}{{ k }}={{ v | length }}{% if not loop.last %}, {% endif %}{% endfor %}; {% endfor %}"
    "{{ messages | map(attribute='role') | join('>') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
}


def render(template: str, messages: list[dict[str, str]]) -> dict[str, str]:
    try:
        compiled = _compile_jinja_template(template)
        return {"rendered": compiled.render(messages=messages, add_generation_prompt=True, tools=None, documents=None, **SPECIAL)}
    except Exception as error:  # whatever a template raises is what it says of the conversation
        return {"error": str(error)}


def main() -> None:
    cases = [
        {"name": name, "template": template, "messages": messages, **render(template, messages)}
        for name, template in TEMPLATES.items()
        for messages in [TALK, SHORT]
    ]
    path = pathlib.Path(__file__).with_name("chat.json")
    path.write_text(json.dumps({"special": SPECIAL, "cases": cases}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(TEMPLATES)} templates, {len(cases)} conversations")


if __name__ == "__main__":
    main()
