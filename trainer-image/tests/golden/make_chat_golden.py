#!/usr/bin/env python3
"""Writes chat.json, families.json and expressions.json: conversations as transformers renders them, for tests/tokenizer.rs.

usage: make_chat_golden.py       (writes beside itself; needs transformers and jinja2)

The templates of chat.json use each some of what templates use. Those in chat/ are in the style of what models of a family come with
(the words are others), and are rendered with conversations that have tools, calls, thoughts and parts. expressions.txt has what Jinja and
Python mean by single expressions, one template a line.
"""
import copy
import json
import pathlib

import jinja2
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
    "turns with an end mark and a cut of thoughts": "{%- set last = messages|length - 1 %}{%- for m in messages %}{%- set c = m.content if m.content is string else '' %}\n"
    "{%- if m.role == 'assistant' and loop.index0 < last and '</think>' in c %}{%- set c = c.split('</think>')|last|trim %}{%- endif %}\n"
    "{{- '<' ~ m.role ~ '>\\n' ~ c ~ '<end_of_turn>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<model>\\n' }}{%- endif %}",
    "roles by another name": "{{ bos_token }}{% set names = {'assistant': 'model', 'system': 'user'} %}{% for m in messages %}"
    "{{ '<start>' + names.get(m.role, m.role) + '\\n' + m.content | trim + '<end>\\n' }}{% endfor %}",
    "the system message goes into the first question": "{%- if messages[0]['role'] == 'system' %}{%- set sys = messages[0]['content'].strip() + '\\n\\n' %}{%- set rest = messages[1:] %}"
    "{%- else %}{%- set sys = '' %}{%- set rest = messages %}{%- endif %}{%- for m in rest %}{%- if loop.first %}{{- sys }}{%- endif %}{{- '<' + m['role'] + '>' + m['content'] }}{%- endfor %}",
    "first, last and in between": "{% for m in messages %}{{ 'F' if loop.first }}{{ 'L' if loop.last else '-' }}{{ loop.revindex }}/{{ loop.length }}"
    "{{ loop.previtem.role if loop.previtem is defined else '^' }}{{ loop.nextitem.role if not loop.last else '$' }} {% endfor %}",
    "a loop with a condition and one without turns": "{% for m in messages if m.role == 'tool' %}{{ m.content }}{% else %}no tool{% endfor %}"
    "{% for m in messages if m.role == 'user' %}[{{ loop.index }}{{ m.content|length }}]{% endfor %}",
    "a date that is given": "{% set date = '26 Jul 2024' if not date_string is defined else date_string %}{{ 'Today: ' ~ date }}{% if strftime_now is defined %}+{% endif %}",
    "tools as JSON in a block": "{%- if tools %}{{- tools | map('tojson') | join('\\n') }}{%- else %}{{- 'none' }}{%- endif %}{% set tools = [{'name': 'run', 'arguments': {'a': [1, 'b<c>&\\'']}}] %}"
    "{%- for t in tools %}{{- '\\n' + (t | tojson) }}{%- endfor %}{{ tools[0]['arguments'] | tojson(indent=2) }}",
    "tests of kinds": "{% for x in [1, 1.5, 'a', [1], {'k': 1}, none, true] %}{{ x is string }}{{ x is mapping }}{{ x is iterable }}{{ x is number }}{{ x is sequence }}"
    "{{ x is none }}{{ x is boolean }}{{ x is integer }}{{ x is float }};{% endfor %}",
    "numbers and their text": "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 3.0 }} {{ 0.1 + 0.2 }} {{ '5' | int + 1 }} {{ 'x' | int(9) }} {{ 3.7 | int }} {{ 2.5 | round }} {{ 1 + true }}",
    "text of lists and pairs": "{{ ['a', \"it's\", 1, 2.0, none, true] }} {{ {'k': 'v', 'n': [1, {'x': 'é'}]} }} {{ ('a', 1) }} {{ [] }} {{ 'tab\\tq' }} {{ ['tab\\tq\\\\'] }}",
    "defaults and chains": "{{ messages[0].name | default('anonymous') }} {{ '' | default('empty', true) }} {{ none | default('n') }} {{ (messages | first).role }} {{ (messages | last)['role'] }} {{ messages[0]['nothing'] is defined }}",
    "filters over text": "{{ ' a b ' | trim | replace('a', 'c') | upper }} {{ 'one two' | capitalize }} {{ 'abc' | reverse | join }} {{ 'a,b,,c'.split(',') }} {{ ' x  y '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'b,a' | list | sort | join }} {{ 'x' * 3 }}",
    "lists that grow in a namespace": "{%- set ns = namespace(turns=[], n=0) %}{%- for m in messages %}{%- if m.role != 'system' %}{%- set ns.turns = ns.turns + [m.content | trim] %}{%- set ns.n = ns.n + 1 %}{%- endif %}{%- endfor %}{{ ns.n }}: {{ ns.turns | join(' | ') }}",
    "groups, unique and sums": "{{ messages | map(attribute='role') | unique | list }} {{ [3, 1, 2] | sort(reverse=true) }} {{ [1, 2, 3] | sum }} {{ [1, 5] | max }} {{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list }} {{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1, 'a': 2}.items() | list }} {{ range(2, 8, 3) | list }}",
    "a call block and a macro with a caller": "{% macro box(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}{% for m in messages %}{% call box(m.role) %}{{ m.content | length }}{% endcall %}{% endfor %}",
    "a filter block and a set block": "{% filter upper %}{{ messages[0].role }} a{% endfilter %}{% set body %}<{{ messages | length }}>{% endset %}{{ body }}{{ body | length }}",
    "escapes": "{{ 'a\\'b' ~ \"c\\\"d\" ~ '\\u00e9\\x41' ~ '\\\\n' ~ '\\n|' }}{{ '{{' }}{{ '%}' }}{{ '{% raw %}' }}{{ '<|x|>' | e }}{{ '<b>' | safe }}",
    "comparisons and membership": "{{ 'a' in 'cat' }}{{ 'role' in messages[0] }}{{ 'x' not in ['x'] }}{{ 1 < 2 <= 2 }}{{ not '' and [] or 'z' }}{{ 'a' < 'b' }}{{ [1, 2] == [1, 2] }}{{ {'a': 1} == {'a': 1.0} }}{{ 'yes' if messages else 'no' }}{{ messages[-1].role == 'user' and add_generation_prompt }}",
    "slices and steps": "{{ messages[1:] | length }}{{ 'abcdef'[::2] }}{{ 'abcdef'[::-1] }}{{ 'abcdef'[-4:-1] }}{{ [1, 2, 3, 4][1:3] }}{{ messages[:-1] | map(attribute='role') | join(',') }}{{ 'abc'[10:] }}|",
    "what goes wrong is said": "{% if messages | length < 2 %}{{ raise_exception('at least two turns, got ' ~ messages | length) }}{% endif %}{{ messages[1].role }}",
    "blanks around marks": "a\n  {%- if true %}\n  b  \n  {% endif -%}  \n c {%+ if true %}d{% endif +%}\n{{- ' e' -}}\n f{#- g -#} h\n",
    "numbers that are large or small": "{{ 1e20 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789012345680.0 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1.5e300 }} {{ 100.0 }} {{ 2 ** 70 }} {{ 10 ** 20 }}"
    " {{ 1e20 | string }} {{ 1e20 | tojson }} {{ {'a': 1e-7, 'b': 1e16} | tojson }} {{ 5e-324 }} {{ -1e17 }}",
    "swapped case and parts from the right": "{% for m in messages %}{{ m.content.swapcase() }}|{{ m.content.rsplit() | join('/') }}|{{ m.content.rsplit(' ', 1) | join('/') }}|{{ m.content.rsplit(None, 1) | join('/') }}\n{% endfor %}"
    "{{ 'a,b,c'.rsplit(',', maxsplit=1) }} {{ 'a--b--c'.rsplit('--')[0] }} {{ 'a,b,c'.split(',', maxsplit=1) }} {{ 'abc'.rsplit('x') }} {{ ''.rsplit() }} {{ ''.rsplit(',') }}",
    "parts around a mark": "{{ 'k=v=w'.partition('=') }} {{ 'k=v=w'.rpartition('=') }} {{ 'k'.partition('=') }} {{ 'k'.rpartition('=')[2] }}{% for m in messages %} {{ m.content.partition('</think>')[2] | trim }}{% endfor %}",
    "text of a width": "[{{ 'ab'.center(7, '*') }}][{{ 'ab'.center(6) }}][{{ 'ab'.ljust(4) }}][{{ 'ab'.rjust(4, '.') }}][{{ '7'.zfill(3) }}][{{ '-7'.zfill(4) }}]",
    "where and how often": "{% for m in messages %}{{ m.content.count('e') }} {{ m.content.rfind('a') }} {{ m.content.find('e', 3) }} {{ m.content.endswith(('x', 'D')) }} {{ m.content.startswith(('h', ' ')) }} {{ m.content.replace('e', 'E', 1) }}"
    " {{ m.content | replace('l', 'L', 1) }} {{ m.role.index('s') }}\n{% endfor %}",
    "kinds of text": "{% for x in ['a', 'A', '1', ' ', '', 'aB1', 'a b', '\u00b2', 'Ab Cd'] %}{{ x.isalpha() }}{{ x.isdigit() }}{{ x.isalnum() }}{{ x.isspace() }}{{ x.isupper() }}{{ x.islower() }}{{ x.isnumeric() }}{{ x.istitle() }}{{ x.isascii() }};{% endfor %}",
    "the format method": "{% for m in messages %}{{ '{}: {}'.format(m.role, m.content | length) }} {{ '{0}{1}{0}'.format('a', m.role) }} {{ '<{role}>'.format(role=m.role) }} {% endfor %}{{ '{:>5}|{:<5}|{:^5}|{:.2f}|{:03d}|{{}}'.format('a', 'b', 'c', 3.14159, 7) }}",
    "the format filter": "{{ '%s-%s' | format('a', 1) }} {{ '%.3f' | format(2) }} {{ '%(role)s' | format(role='user') }} {{ '%5d|%-5s|%x' | format(42, 'b', 255) }}",
    "groups of turns": "{% for role, group in messages | groupby('role') %}{{ role }}:{{ group | length }}{{ group[0].content | length }};{% endfor %}{% for g in messages | groupby('role') %}{{ g.grouper }}={{ g.list | length }} {% endfor %}",
    "sorting": "{{ messages | sort(attribute='role') | map(attribute='role') | list }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [3, 1.5, 2] | sort }} {{ {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) }} {{ {'b': 1, 'A': 2} | dictsort(true) }}"
    "{% for k, v in {'z': 1, 'y': 2} | dictsort %}{{ k }}{{ v }}{% endfor %} {{ messages | sort(attribute='content', reverse=true) | map(attribute='role') | first }} {{ ['bb', 'a'] | min }} {{ messages | map(attribute='content') | map('length') | max }}",
    "what is selected": "{{ [1, 2, 3, 4] | select('even') | list }} {{ ['a', '', none, 0] | select | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ [1, 5] | select('gt', 2) | list }} {{ messages | selectattr('role', 'in', ['user', 'tool']) | map(attribute='role') | list }}"
    " {{ messages | selectattr('tool_calls', 'defined') | list }} {{ messages | rejectattr('name') | list | length }} {{ ['a', 1] | select('string') | list }} {{ messages | map(attribute='name', default='?') | join }}",
    "what is mapped": "{{ [' a', 'b '] | map('trim') | list }} {{ ['ab'] | map('replace', 'a', 'b') | list }} {{ ['1', '2'] | map('int') | sum }} {{ messages | map(attribute='content') | map('trim') | select('ne', '') | join('\\n') }} {{ [[1, 2], [3]] | map('first') | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }} {{ ['a', 'b'] | map('upper') | join('-') }} {{ messages | sum(attribute='n', start=5) if false else 'no' }}",
    "rows and columns": "{% for row in [1, 2, 3, 4, 5] | batch(2) %}{{ row }}{% endfor %} {% for row in [1, 2, 3, 4, 5] | batch(2, 0) %}{{ row | join('+') }};{% endfor %} {% for col in [1, 2, 3, 4, 5] | slice(2) %}{{ col }}{% endfor %}",
    "indented text": "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(width=1, first=true, blank=true) }}|{{ 'a\\nb' | indent('> ') }}|{{ 'one two three four' | truncate(length=10) }} {{ 'one two three four' | truncate(length=9, killwords=true, end='~', leeway=0) }}",
    "other alphabets": "{{ '\u00df'.upper() }} {{ '\u65e5\u672c\u8a9e' | length }} {{ '\u65e5\u672c\u8a9e'[1] }} {{ '\u00e9\u2028a' | tojson }} {{ '\U0001f44d' | tojson(ensure_ascii=true) }} {{ '\U0001f44d' | length }} {{ '\u0152UVRE' | lower }} {{ 'x\u00a0y'.split() }} {{ 'Stra\u00dfe'.casefold() }} {{ '\u65e5\u672c'[::-1] }} {{ ['\u00e9', '\u65e5'] }} {{ '\u0645\u0631' in '\u0645\u0631\u062d\u0628\u0627' }}",
    "JSON of what is hard to write": "{{ {'t': 'a\\tb\\u0007\\u007f', 'q': '\"\\\\/', 'e': '', 'n': none, 'f': [0.1, -0.0, 1e5, 12345678.9]} | tojson }} {{ [1, [2, {'a': []}]] | tojson(indent=1) }} {{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true, indent=2) }} {{ {1: 'a', true: 'b'} | tojson }} {{ {'a': 1} | tojson(separators=(', ', ' : ')) }}",
    "loops that know themselves": "{% for m in messages %}{{ loop.cycle('a', 'b', 'c') }}{{ loop.changed(m.role) }}{{ loop.depth }}{{ loop.revindex0 }}{{ loop.first and not loop.last }} {% endfor %}{% for x in [1, 2] %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ y }}{{ loop.depth0 }}{% endfor %}{% endfor %}",
    "a loop that calls itself": "{% for node in [{'n': 'a', 'c': [{'n': 'b', 'c': []}, {'n': 'c', 'c': [{'n': 'd', 'c': []}]}]}] recursive %}({{ node.n }}{{ loop(node.c) if node.c }}){% endfor %}",
    "macros that call each other": "{% macro kind(t) %}{% if t is string %}{{ t }}{% elif t is mapping %}{ {%- for k, v in t | dictsort %}{{ k }}: {{ kind(v) }}{{ ', ' if not loop.last }}{% endfor -%} }{% else %}{% for x in t %}{{ kind(x) }}{% if not loop.last %} | {% endif %}{% endfor %}{% endif %}{% endmacro %}"
    "{{ kind({'b': ['x', 'y'], 'a': {'c': 'z'}}) }}{% macro two(a, b='!') %}{{ a }}{{ b }}{% endmacro %}{{ two('p') }}{{ two(b='q', a='r') }}{{ two('x') | upper }}{{ two.name }}",
    "several names at once": "{% set a, b = 1, 'x' %}{{ a }}{{ b }}{% for k, (x, y) in [('k', (1, 2))] %}{{ k }}{{ x }}{{ y }}{% endfor %}{% with a=5, c='w' %}{{ a }}{{ c }}{% endwith %}{{ a }}{% set ns = namespace() %}{% set ns.text %}<{{ b }}>{% endset %}{{ ns.text }}{% set pairs = dict(k='v', n=2) %}{{ pairs.k }}{{ pairs | length }}{{ pairs.keys() | list }}{{ pairs.values() | list }}{{ pairs.get('z') }}{{ pairs.get('z', 'd') }}",
    "separators and turns": "{% set sep = joiner(', ') %}{% for m in messages %}{{ sep() }}{{ m.role }}{% endfor %}",
    "tests by name": "{{ 6 is divisibleby 3 }}{{ 6 is divisibleby(4) }}{{ 'a' is lower }}{{ 'A' is upper }}{{ 3 is odd }}{{ 3 is eq 3 }}{{ 3 is in [1, 3] }}{{ none is sameas none }}{{ true is true }}{{ 1 is true }}{{ false is false }}{{ nothing is undefined }}{{ messages is defined and messages[0] is mapping }}{{ 2 is gt 1 }}{{ 2 is not lessthan 1 }}{{ raise_exception is callable }}{{ 'upper' is filter }}{{ 'odd' is test }}{{ '<' is escaped }}",
    "sums of unlike things": "{{ 1 ~ 1.0 ~ true ~ none }} {{ 'a' * 0 }}{{ [1] * 2 }} {{ 3 * 'ab' }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ true + true }} {{ 5 - 2.0 }} {{ 6 / 3 }} {{ 2 * 3.5 }} {{ -7 // 2.0 }} {{ 7 % -3 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ 'x' if false }}|{{ - 3 | abs }} {{ not true }}",
    "numbers of text": "{{ '3.5' | float }} {{ 'x' | float(1.5) }} {{ 10 | float }} {{ 2.675 | round(2) }} {{ 7 | round }} {{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(method='ceil') }} {{ '12' | int + 0x10 }} {{ 1_000 }} {{ 3.5 | int }} {{ ' 42 ' | int }} {{ '1e3' | float }} {{ '7.9' | int }}",
    "ends of lists": "{{ 'abc' | list }} {{ 'abc' | first }}{{ 'abc' | last }} {{ [] | first is defined }} {{ [] | join }}| {{ ('a', 'b') | join }} {{ [1, [2]] | string }} {{ [1, 2] | reverse | list }} {{ ','.join(messages | map(attribute='role')) }} {{ ''.join([]) }} {{ [3, 1, 3] | unique | list }} {{ 'A a' | lower | unique | join }} {{ (messages | last).content[-2:] }} {{ [1, 2, 3][-1] }} {{ messages[9] is defined }}",
    "marks of markup": "{{ '<a>' | e }} {{ 'a&amp;b' | safe }} {{ '&' | escape }} {{ '<' ~ 'b' | e }}",
    "tools that a model may call": "{%- for t in [{'type': 'function', 'function': {'name': 'get', 'parameters': {'type': 'object', 'properties': {'city': {'type': ['string', 'null'], 'enum': ['a', 'b']}}, 'required': ['city']}}}] %}\n{%- set f = t.function if t.function is defined else t %}\n"
    "{{- '- ' ~ f.name ~ '(' }}{%- for p, v in f.parameters.properties.items() %}{{- p ~ ('' if p in f.parameters.required else '?') ~ ': ' ~ (v.type if v.type is string else v.type | join(' | ')) }}{%- if v.enum %}{{- ' in ' ~ v.enum | tojson }}{%- endif %}{%- endfor %}{{- ')\\n' }}{%- endfor %}",
    "a name that is used again": "{% set x = 1 %}{% for m in messages %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}{% for i in range(3) %}{% if i == 1 %}{% set y = i %}{% endif %}{{ y is defined }}{% endfor %}{{ i is defined }}",
    "marks within marks": "{{ '}}' ~ '%}' ~ \"{#\" }}{{ {'a': {'b': 1}}['a']['b'] }}{% if '{%' in '{%' %}y{% endif %}{# a {{ b }} #}{{ '%s%%' % '%s' }}{{ '%c%s' % ('a', [1]) }}{{ '%5.1f|%+d|%e|%g' % (2.25, 3, 12345.678, 1e20) }}{{ '%(a)s-%(b)d' % {'a': 'x', 'b': 2} }}",
    "cut thoughts by a macro that keeps its blanks": "{%- macro said(m, last) -%}\n{%- set body = m.content -%}\n{%- if not last and '</think>' in body -%}\n{{- body.split('</think>')[-1] | trim -}}\n{%- else -%}\n{{- body -}}\n{%- endif -%}\n{%- endmacro -%}\n"
    "{%- for m in messages -%}\n{{- '<|' ~ m.role ~ '|>' ~ said(m, loop.last) ~ '<|/|>\\n' -}}\n{%- endfor -%}",
    "a set block through filters": "{%- set head | trim | upper -%}\n  {{ messages[0].role }} and more  \n{%- endset -%}[{{ head }}]{% set ns = namespace(parts=[]) %}{% for m in messages %}{% set one | replace('e', '3') %}{{ m.role }}{% endset %}{% set ns.parts = ns.parts + [one] %}{% endfor %}{{ ns.parts | join('|') }}",
    "pairs by the filter of that name": "{% for k, v in messages[0] | items %}{{ k }}:{{ v | length }};{% endfor %}{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}{{ {'b': 1} | items | list }}{% for k, v in nothing | items %}x{% endfor %}",
    "parts of a conversation by their kind": "{%- set sys = messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | first | default('none given') -%}{{ sys | trim }}{%- set rest = messages | rejectattr('role', 'in', ['system', 'tool']) | list -%}({{ rest | length }})"
    "{%- for m in rest -%}{%- if m is mapping and m.content is string and m.content is not mapping and m.content is iterable -%}{{ loop.index }}{%- endif -%}{%- endfor -%}",
    "a list of tools between marks": "{%- set tools = [{'name': 'a', 'parameters': {'properties': {'x': {'type': 'integer', 'description': \"it's <b>\"}, 'y': {'type': 'array', 'items': {'type': 'string'}}}, 'required': ['x']}}, {'name': 'b'}] -%}\n{%- for t in tools %}\n"
    "    {{- '<tool>\\n' }}\n    {%- for field in t if field != 'name' %}\n        {{- field ~ ' = ' ~ (t[field] | tojson) ~ '\\n' }}\n    {%- else %}\n        {{- 'nothing more\\n' }}\n    {%- endfor %}\n    {{- '</tool>' }}\n{%- endfor %}{{ tools | map(attribute='parameters.required', default='-') | list }}",
    "numbers counted in a namespace across loops": "{% set ns = namespace(n=0, odd=false, text='') %}{% for m in messages %}{% for c in m.content %}{% if c in 'aeiou' %}{% set ns.n = ns.n + 1 %}{% endif %}{% endfor %}{% set ns.odd = not ns.odd %}{% set ns.text = ns.text ~ loop.index ~ (',' if not loop.last else '') %}{% endfor %}{{ ns.n }} {{ ns.odd }} {{ ns.text }}",
    "a refusal in a macro that is called in a condition": "{% macro check(role) %}{% if role not in ['system', 'user'] %}{{ raise_exception('role ' ~ role ~ ' at no place: ' ~ (['system', 'user'] | join('/'))) }}{% endif %}{% endmacro %}{% for m in messages %}{{ check(m.role) }}{{ m.role }};{% endfor %}",
    "blanks that stay and blanks that go": "  {% if true %}  \n  a  {%- if false -%} x {%- endif %}  \n\t{% endif %}\n  {{ 'b' }}  \n{# c #}\n  d {#- e #} f\n{%+ if true +%}\n g{% endif %}\n\n",
    "slices of what is not there": "{{ messages[5:] }} {{ messages[:0] | length }} {{ 'abc'[-10:2] }} {{ 'abc'[2:1] }}| {{ [1, 2, 3][::-2] }} {{ 'abc'[:-1] ~ 'abc'[-1:] }} {{ (1, 2, 3)[1:] }} {{ range(10)[2:8:3] | list }} {{ range(3) | list | last }} {{ range(0, -6, -2) | list }}",
    "a choice of many": "{%- for m in messages -%}{%- if m.role == 'system' and loop.first -%}S{%- elif m.role == 'user' and not loop.first or m.role == 'tool' -%}U{%- elif m['role'] in ('assistant', 'model') -%}A{%- else -%}?{%- endif -%}{{ '.' if loop.index is divisibleby 2 else '!' if loop.last else ':' }}{%- endfor -%}",
    "JSON in JSON": "{% set a = {'args': {'q': 'a\"b', 'n': [1, none]}} %}{{ a.args | tojson | tojson }} {{ (a | tojson)[1:-1] }} {{ a | tojson | replace('\"', \"'\") }} {{ {'s': a | tojson} | tojson }} {{ 'x' | tojson ~ 1 }} {{ [] | tojson }}{{ {} | tojson(indent=2) }}{{ [[], {}] | tojson(indent=2) }} {{ 1.0 | tojson }} {{ true | tojson }} {{ 12345678901234567890 | tojson }}",
    "a part that is shown to some": "{%- set shown = messages | length > 1 and messages[1] is defined and (messages[1].content or '') | trim != '' -%}{{ shown }}{%- if shown and (not tools or tools | length == 0) %}{{- ' ' ~ messages[1].role }}{%- endif -%}{{ ' ' ~ (messages | length - 1) ~ (messages | map(attribute='content') | map('length') | sum) }}",
}


TOOLS = [
    {"type": "function", "function": {
        "name": "find_file", "description": " Finds a file, or \u201cnone\u201d. ",
        "parameters": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "its name, e.g. <a.py> & 'b'\nsecond line"},
            "kinds": {"type": "array", "items": {"type": "string"}, "description": "which"},
            "deep": {"type": ["boolean", "null"], "default": False},
            "how": {"type": "string", "enum": ["exact", "like"], "default": "like"},
            "n": {"type": "integer", "minimum": 1},
            "by": {"type": "object", "additionalProperties": {"type": "number"}},
        }},
        "return": {"type": "string", "description": "a path"},
    }},
    {"type": "function", "function": {"name": "now", "description": "the time", "parameters": {"type": "object", "properties": {}, "required": []}}},
]


def call(name: str, arguments: dict, number: str = "abc123XYZ") -> dict:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def assistant(content: object, **fields: object) -> dict:
    return {"role": "assistant", "content": content, **fields}


def result(content: str, number: str = "abc123XYZ") -> dict:
    return {"role": "tool", "content": content, "tool_call_id": number}


# Messages, whether tools are there, and whether the next answer begins.
TALKS = {
    "one": ([user("hello wORLD")], False, True),
    "with a system message": (
        [{"role": "system", "content": "  Be brief, don't guess. /no_think\n"}, user("Es 1 < 2 & \"por qu\u00e9\"? \u00e9\u65e5\u672c \u2028 ")], True, True),
    "several turns": (
        [user(" one\n"), assistant("<think>\nit is\n</think>\n\nBecause.\n"), user("they're {'a': 1}\tx"), assistant("Yes \U0001f44d."), user("and?")], False, True),
    "an answer at the end": ([user("a"), assistant("\n\n b "), user("c"), assistant("last")], False, False),
    "a call": (
        [user("where is a.py?"), assistant("", tool_calls=[call("find_file", {"name": "a.py", "kinds": ["x", "y \u00e9"], "deep": True, "n": 3, "r": 0.5, "z": None})]),
         result("src/a.py"), assistant("In src."), user("thanks")], True, True),
    "two calls": (
        [{"role": "system", "content": "s"}, user("both"), assistant("Let me see.", tool_calls=[call("find_file", {"name": "\u00fc"}), call("now", {}, "abcdefgh1")]),
         result("1"), result("2", "abcdefgh1")], True, True),
    "thoughts of their own": ([user("q"), assistant("answer", reasoning_content="\nthought\n"), user("r"), assistant("b", reasoning_content="more")], False, False),
    "parts": ([user([{"type": "text", "text": " look "}, {"type": "image"}, {"type": "text", "text": "b"}])], False, True),
    "nothing said": ([user("q"), assistant(None, tool_calls=[call("now", {})]), result("12:00")], False, True),
}

# What expressions.txt is rendered with.
SCENE = [
    {"role": "system", "content": "  Be brief, don't guess.\n"},
    user(" What's 1 < 2? \u00e9\u2028 \u65e5\u672c"),
    assistant("", tool_calls=[{"function": {"name": "f", "arguments": {"a": 1, "b": [1, None, True], "items": "x"}}}]),
    user("they're"),
]


def render(template: str, messages: list[dict], begin: bool = True) -> dict[str, str]:
    try:
        compiled = _compile_jinja_template(template)
        given = copy.deepcopy(messages)
        return {"rendered": compiled.render(messages=given, add_generation_prompt=begin, tools=None, documents=None, **SPECIAL)}
    except jinja2.exceptions.TemplateError as error:  # what a template says of the conversation
        return {"error": str(error)}
    except Exception:  # what it does not stand
        return {"error": ""}


def failing(rendered: dict[str, str]) -> dict[str, str]:
    """Of what Python refuses the fact, not its words."""
    return {"error": ""} if "error" in rendered else rendered


def write(name: str, content: object) -> None:
    path = pathlib.Path(__file__).with_name(name)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    cases = [
        {"name": name, "template": template, "messages": messages, **render(template, messages)}
        for name, template in TEMPLATES.items()
        for messages in [TALK, SHORT]
    ]
    write("chat.json", {"special": SPECIAL, "cases": cases})
    folder = pathlib.Path(__file__).parent
    families = sorted((folder / "chat").glob("*.jinja"))
    prelude = "{%- set tools = " + json.dumps(TOOLS, ensure_ascii=False) + " %}"
    rendered = {
        path.stem: {name: render((prelude if tools else "") + path.read_text(encoding="utf-8"), talk, begin) for name, (talk, tools, begin) in TALKS.items()}
        for path in families
    }
    talks = {name: {"messages": talk, "tools": tools, "begin": begin} for name, (talk, tools, begin) in TALKS.items()}
    write("families.json", {"special": SPECIAL, "prelude": prelude, "talks": talks, "rendered": rendered})
    expressions = (folder / "expressions.txt").read_text(encoding="utf-8").splitlines()
    write("expressions.json", {"special": SPECIAL, "messages": SCENE, "rendered": [failing(render(line, SCENE)) for line in expressions]})
    print(f"{len(TEMPLATES)} templates, {len(families)} families, {len(expressions)} expressions")


if __name__ == "__main__":
    main()
