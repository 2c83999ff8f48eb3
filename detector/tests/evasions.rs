//! Ways to talk the detector round that change nothing about what a program does.

use real_detector::{Options, analyze};

fn found(code: &str) -> bool {
    !analyze(code, &Options::default()).unwrap_or_else(|error| panic!("{}\n{code}", error.message)).is_empty()
}

fn all_found(programs: &[&str]) {
    let missed: Vec<&&str> = programs.iter().filter(|code| !found(code)).collect();
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.iter().map(|code| format!("---\n{code}\n")).collect::<Vec<_>>().concat()
    );
}

fn none_found(programs: &[&str]) {
    let wrong: Vec<&&str> = programs.iter().filter(|code| found(code)).collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().map(|code| format!("---\n{code}\n")).collect::<Vec<_>>().concat()
    );
}

#[test]
fn what_a_unit_offers_is_exposed_however_it_is_called_itself() {
    all_found(&[
        "def calc(text):\n    return eval(text)\n\nprint(calc('1'))\n",
        "print_it = lambda text: eval(text)\nprint_it('1')\n",
        "class Tool:\n    def run(self, text):\n        return eval(text)\n\n    def demo(self):\n        return self.run('1')\n",
        "class Tool:\n    def __call__(self, text):\n        return eval(text)\n\nTool()('1')\n",
        "class Tool:\n    def __init__(self, text):\n        self.value = eval(text)\n\nTool('1')\n",
        "class Tool:\n    @staticmethod\n    def run(text):\n        return eval(text)\n\nTool.run('1')\n",
        "class Tool:\n    @classmethod\n    def run(cls, text):\n        return eval(text)\n\nTool.run('1')\n",
        "class _Tool:\n    def __init__(self, text):\n        self.value = eval(text)\n\ndef make(text):\n    return _Tool(text)\n\nmake('1')\n",
        "async def calc(text):\n    return eval(text)\n\nimport asyncio\nasyncio.run(calc('1'))\n",
        "def _calc(text):\n    return eval(text)\n\nTOOLS = {'calc': _calc}\n_calc('1')\n_calc('2')\n",
        "def _calc(text):\n    return eval(text)\n\n__all__ = ['_calc']\n_calc('1')\n_calc('2')\n",
        "from framework import app\n\n@app.route('/<text>')\ndef _calc(text):\n    return eval(text)\n\n_calc('1')\n_calc('2')\n",
        "from framework import bus\n\ndef _calc(text):\n    return eval(text)\n\nbus.subscribe('calc', _calc)\n_calc('1')\n_calc('2')\n",
        "from framework import Button\n\ndef make():\n    def clicked(text):\n        return eval(text)\n    clicked('1')\n    clicked('2')\n    return Button(command=clicked)\n",
        "def make():\n    def calc(text):\n        return eval(text)\n    calc('1')\n    calc('2')\n    return calc\n",
        "def make(text):\n    def calc():\n        return eval(text)\n    return calc\n\nmake('1')()\n",
        "class Handler:\n    def register(self, bus):\n        bus.on('x', self._run)\n        self._run('1')\n        self._run('2')\n\n    def _run(self, text):\n        return eval(text)\n",
        "def calc(text):\n    return _calc(text)\n\ndef _calc(text):\n    return eval(text)\n\ncalc('1')\n",
        "def _a(text, n):\n    eval(text)\n    if n:\n        _b(text, n - 1)\n\ndef _b(text, n):\n    _a(text, n)\n",
        "def calc(text='1'):\n    return eval(text)\n\ncalc()\n",
        "import sys\n\ndef calc(text):\n    return eval(text)\n\nif sys.argv[1:] == ['--demo']:\n    calc('1')\n",
        "if True:\n    def calc(text):\n        return eval(text)\n    calc('1')\n",
        "def calc(*texts):\n    for text in texts:\n        eval(text)\n\ncalc('1', '2')\n",
        "def calc(**texts):\n    return eval(texts['a'])\n\ncalc(a='1')\n",
        "def calc(text):\n    return eval(text)\n\nfor one in ['1', '2']:\n    calc(one)\n",
    ]);
}

#[test]
fn helpers_keep_the_facts_of_callers_that_are_all_known() {
    none_found(&[
        "def _calc(text):\n    return eval(text)\n\ndef calc(number):\n    return _calc(str(int(number)))\n",
        "def calc(number):\n    def inner(text):\n        return eval(text)\n    return inner(str(int(number)))\n",
        "class Tool:\n    def run(self, number):\n        return self._run(str(int(number)))\n\n    def _run(self, text):\n        return eval(text)\n",
        "def calc(numbers):\n    return list(map(lambda text: eval(text), [str(int(one)) for one in numbers]))\n",
        "def _table(cursor, name):\n    return cursor.execute('SELECT * FROM ' + name).fetchall()\n\ndef both(cursor):\n    return _table(cursor, 'a') + _table(cursor, 'b')\n",
        // What an attacker passes to a public helper does not come back to the unit's own calls of it.
        "def wrap(text):\n    return '(' + text + ')'\n\ndef calc():\n    return eval(wrap('1'))\n",
        "class Names:\n    def full(self, name):\n        return 'shop_' + name\n\ndef rows(cursor):\n    return cursor.execute('SELECT * FROM ' + Names().full('goods'))\n",
        "def calc():\n    return eval(wrap('1'))\n\ndef wrap(text):\n    def inner(part):\n        return text + part\n    return inner('+ 1')\n",
    ]);
}

#[test]
fn the_order_of_definitions_says_nothing() {
    let parts = [
        "def calc(text):\n    return _calc(text)\n",
        "def _calc(text):\n    return eval(text)\n",
        "def demo():\n    return calc('1')\n",
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let code = order.map(|index| parts[index]).join("\n");
        assert!(found(&code), "{code}");
    }
    let parts = [
        "def calc(number):\n    return _calc(str(int(number)))\n",
        "def _calc(text):\n    return eval(text)\n",
        "def demo():\n    return calc('1')\n",
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let code = order.map(|index| parts[index]).join("\n");
        assert!(!found(&code), "{code}");
    }
}

#[test]
fn names_that_are_put_together_are_the_names() {
    all_found(&[
        "import os\n\ndef run(line):\n    getattr(os, 'sys' + 'tem')(line)\n",
        "import os\n\ndef run(line):\n    getattr(os, f'{\"sys\"}tem')(line)\n",
        "import os\nNAME = 'system'\n\ndef run(line):\n    getattr(os, NAME)(line)\n",
        "import os\n\ndef run(line):\n    getattr(os, ''.join(['sys', 'tem']))(line)\n",
        "import os\n\ndef run(line):\n    getattr(os, 'SYSTEM'.lower())(line)\n",
        "def run(line):\n    __import__('os').system(line)\n",
        "def run(line):\n    __import__('o' + 's').system(line)\n",
        "def run(line):\n    __import__('os.path').system(line)\n",
        "import importlib\n\ndef run(line):\n    importlib.import_module('subprocess').run(line, shell=True)\n",
        "from importlib import import_module as load\n\ndef run(line):\n    load('os').popen(line)\n",
        "import builtins\n\ndef calc(text):\n    return builtins.eval(text)\n",
        "import builtins\n\ndef calc(text):\n    return builtins.__dict__['eval'](text)\n",
        "import builtins\n\ndef calc(text):\n    return vars(builtins)['ev' + 'al'](text)\n",
        "import builtins\n\ndef calc(text):\n    return getattr(builtins, 'exec')(text)\n",
        "def calc(text):\n    return __builtins__['eval'](text)\n",
        "def calc(text):\n    return __builtins__.eval(text)\n",
        "def calc(text):\n    return globals()['__builtins__'].eval(text)\n",
        "def calc(text):\n    return globals()['__builtins__']['eval'](text)\n",
        "def calc(text):\n    return globals().get('__builtins__').eval(text)\n",
        "def calc(text):\n    return print.__self__.eval(text)\n",
        "import sys\n\ndef run(line):\n    sys.modules['os'].system(line)\n",
        "import os\n\ndef run(line):\n    os.__dict__['system'](line)\n",
        "import os\n\ndef run(line):\n    os.__dict__.get('system')(line)\n",
        "import os\n\ndef run(line):\n    object.__getattribute__(os, 'system')(line)\n",
        "import operator, os\n\ndef run(line):\n    operator.attrgetter('system')(os)(line)\n",
        "def calc(text):\n    return eval.__call__(text)\n",
        "def _calc(text):\n    return eval(text)\n\ndef calc(text):\n    return globals()['_calc'](text)\n",
        "from os import *\nfrom math import *\n\ndef run(line):\n    system(line)\n",
        "import os as o\nrun = o.system\n\ndef go(line):\n    alias = run\n    alias(line)\n",
        "import os\nfrom functools import partial\n\ndef go(line):\n    partial(os.system)(line)\n",
        "import os\nfrom functools import partial\n\ndef go(line):\n    partial(os.system, line)()\n",
    ]);
}

#[test]
fn wrappers_and_tables_hide_nothing() {
    all_found(&[
        "def call(function, value):\n    return function(value)\n\ndef calc(text):\n    return call(eval, text)\n",
        "class Box:\n    def __init__(self, function):\n        self.function = function\n\n    def go(self, text):\n        return self.function(text)\n\ndef calc(text):\n    return Box(eval).go(text)\n",
        "TABLE = {'a': eval, 'b': len}\n\ndef calc(name, text):\n    return TABLE[name](text)\n",
        "def calc(text):\n    return [eval][0](text)\n",
        "def calc(text):\n    return (lambda one: eval(one))(text)\n",
        "def calc(texts):\n    return list(map(eval, texts))\n",
        "def calc(texts):\n    return sorted(texts, key=eval)\n",
        "import os, threading\n\ndef run(line):\n    threading.Thread(target=os.system, args=(line,)).start()\n",
        "import os\n\ndef run(pool, line):\n    pool.submit(os.system, line)\n",
        "def logged(function):\n    def inner(*values):\n        return function(*values)\n    return inner\n\n@logged\ndef calc(text):\n    return eval(text)\n",
    ]);
}

#[test]
fn dead_code_around_a_sink_and_guards_without_consequence_are_no_help() {
    all_found(&[
        "def calc(text):\n    if False:\n        return 0\n    return eval(text)\n",
        "def calc(text):\n    while True:\n        break\n    return eval(text)\n",
        "def calc(text):\n    try:\n        pass\n    finally:\n        return eval(text)\n",
        "def calc(text):\n    for _ in range(1):\n        return eval(text)\n",
        "def calc(text):\n    if 1:\n        return eval(text)\n    return None\n",
        "def calc(text):\n    text.isdigit()\n    return eval(text)\n",
        "def calc(text):\n    safe = text.isdigit()\n    return eval(text)\n",
        "def calc(text):\n    if not text.isdigit():\n        pass\n    return eval(text)\n",
        "def calc(text):\n    if not text.isdigit():\n        print('not a number')\n    return eval(text)\n",
        "def clean(text):\n    return str(int(text))\n\ndef calc(text):\n    return eval(text)\n",
        "def clean(text):\n    return str(int(text))\n\ndef calc(text):\n    cleaned = clean(text) if not text else text\n    return eval(cleaned)\n",
        "def check(text):\n    return text.isdigit()\n\ndef calc(text):\n    check(text)\n    return eval(text)\n",
        "def check(text):\n    if not text.isdigit():\n        return False\n    return True\n\ndef calc(text):\n    ok = check(text)\n    return eval(text)\n",
        "def calc(text):\n    try:\n        int(text)\n    except ValueError:\n        pass\n    return eval(text)\n",
        "def calc(text):\n    try:\n        assert text.isdigit()\n    except AssertionError:\n        print('not a number')\n    return eval(text)\n",
        "import re\n\ndef calc(text):\n    re.sub('[^0-9]', '', text)\n    return eval(text)\n",
        "import shlex, os\n\ndef run(name):\n    quoted = shlex.quote(name)\n    os.system('ls ' + name)\n",
    ]);
}

#[test]
fn comments_do_not_silence_what_a_reward_sees() {
    all_found(&[
        "def calc(text):\n    return eval(text)  # noqa\n",
        "def calc(text):\n    return eval(text)  # nosec B307\n",
        "# flake8: noqa\n# nosec\ndef calc(text):\n    return eval(text)  # noqa: S307\n",
        "# ruff: noqa\ndef calc(text):  # nosemgrep\n    return eval(text)  # type: ignore\n",
        "# mypy: ignore-errors\nfrom typing import no_type_check\n\n@no_type_check\ndef calc(text):\n    return eval(text)\n\ncalc('1')\n",
        "from typing import TYPE_CHECKING\n\nif not TYPE_CHECKING:\n    def calc(text):\n        return eval(text)\n",
        "from typing import Any\n\ndef calc(text: Any) -> Any:\n    return eval(text)\n",
    ]);
}

#[test]
fn code_in_a_constant_is_code() {
    all_found(&[
        "exec('def calc(text):\\n    return eval(text)\\n')\n",
        "CODE = '''\nimport os\n\ndef run(line):\n    os.system(line)\n'''\nexec(CODE)\n",
        "exec(compile('def calc(text):\\n    return eval(text)\\n', '<calc>', 'exec'))\n",
        "calc = eval('lambda text: eval(text)')\n",
        "def calc(text):\n    exec('result = eval(text)')\n",
        "def calc(text):\n    return eval('eval(text)')\n",
        "exec('exec(\"def calc(text):\\\\n    return eval(text)\\\\n\")')\n",
    ]);
    none_found(&[
        "exec('x = 1')\n",
        "print(eval('1 + 2'))\n",
        "exec('def add(a, b):\\n    return a + b\\n')\n",
        "exec('def f(:')\n",
    ]);
}

#[test]
fn options_that_let_more_through_make_a_sanitiser_none() {
    let sql = |value: &str| {
        format!(
            "import html, re, urllib.parse\n\ndef find(cursor, x):\n    x = {value}\n    cursor.execute(f\"SELECT * FROM t WHERE a = '{{x}}'\")\n"
        )
    };
    for value in ["html.escape(x)", "urllib.parse.quote_plus(x)", "re.sub(\"'\", '', x)"] {
        assert!(!found(&sql(value)), "{value}");
    }
    for value in [
        "html.escape(x, quote=False)",
        "html.escape(x, False)",
        "urllib.parse.quote(x, safe=\"'\")",
        "urllib.parse.quote_plus(x, \"'\")",
        "re.sub(\"'\", '', x, count=1)",
        "re.sub(\"'\", '', x, 1)",
    ] {
        assert!(found(&sql(value)), "{value}");
    }
}

/// What only a name says is not believed where the program may have put something else there.
#[test]
fn a_name_that_the_program_gives_a_meaning_says_nothing() {
    let programs: Vec<String> = [
        "globals()['validate_name'] = lambda x: x",
        "globals().update(validate_name=print)",
        "vars()['validate' + '_name'] = print",
        "import builtins\nsetattr(builtins, 'validate_name', print)",
        "import builtins as b\nb.validate_name = print",
        "__builtins__['validate_name'] = print",
        "exec('def validate_name(x): return x')",
        "import sys\nsys.modules['checks'] = sys\nsys.validate_name = print\nfrom checks import validate_name",
        "import sys, types\nm = types.ModuleType('checks')\nsys.modules['checks'] = m\nexec('def validate_name(x): pass', m.__dict__)\nfrom checks import validate_name",
        "validate_name = print",
        "def validate_name(x):\n    return x",
    ]
    .iter()
    .map(|trick| {
        format!("{trick}\ndef find(db, x):\n    validate_name(x)\n    return db.execute(\"SELECT a FROM t WHERE b = '\" + x + \"'\")\n")
    })
    .collect();
    all_found(&programs.iter().map(String::as_str).collect::<Vec<_>>());
    let programs: Vec<String> = [
        ("from types import SimpleNamespace\nh = SimpleNamespace(ensure_name=print)", "h.ensure_name(x)"),
        ("class H: pass\nh = H()\nh.ensure_name = print", "h.ensure_name(x)"),
        ("class H:\n    def __getattr__(self, name):\n        return print\nh = H()", "h.ensure_name(x)"),
        ("class H:\n    pass\nH.__getattr__ = lambda self, name: print\nh = H()", "h.ensure_name(x)"),
        ("class H:\n    pass\nh = H()\nh.__dict__['ensure_name'] = print", "h.ensure_name(x)"),
        ("from unittest.mock import MagicMock\nh = MagicMock()", "h.ensure_name(x)"),
    ]
    .iter()
    .map(|(trick, call)| {
        format!("{trick}\ndef find(db, x):\n    {call}\n    return db.execute(\"SELECT a FROM t WHERE b = '\" + x + \"'\")\n")
    })
    .collect();
    all_found(&programs.iter().map(String::as_str).collect::<Vec<_>>());
    none_found(&[
        "from checks import validate_name\n\ndef find(db, x):\n    validate_name(x)\n    return db.execute('SELECT a FROM ' + x)\n",
    ]);
}

/// What is put somewhere and taken out again is what it was, whatever the place.
#[test]
fn a_value_that_goes_round_is_still_an_attackers() {
    let ways = [
        ("import json", "json.loads(json.dumps({'a': x}))['a']"),
        ("import json", "json.JSONDecoder().decode(json.JSONEncoder().encode(x))"),
        ("import pickle", "pickle.loads(pickle.dumps(x))"),
        ("import marshal", "marshal.loads(marshal.dumps(x))"),
        ("import codecs", "codecs.decode(codecs.encode(x, 'rot13'), 'rot13')"),
        ("import base64", "base64.b64decode(base64.b64encode(x.encode())).decode()"),
        ("import inspect", "inspect.currentframe().f_locals['x']"),
        ("import time", "time.strftime(x)"),
        ("import datetime", "datetime.date.today().strftime(x)"),
        ("", "getattr(x, 'strip')()"),
        ("", "''.join('%c' % ord(c) for c in x)"),
        ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor().submit(lambda: x).result()"),
        (
            "import threading\ndef g(x):\n    r = []\n    t = threading.Thread(target=lambda: r.append(x))\n    t.start(); t.join()\n    return r[0]",
            "g(x)",
        ),
        (
            "def g(x):\n    try:\n        raise ValueError(x)\n    except ValueError as error:\n        return error.args[0]",
            "g(x)",
        ),
        (
            "def g(x):\n    try:\n        raise ValueError(x)\n    except ValueError as error:\n        return str(error)",
            "g(x)",
        ),
        ("def h(x):\n    return x\n    yield\ndef g(x):\n    r = yield from h(x)\n    yield r", "next(g(x))"),
        (
            "class D:\n    def __get__(self, one, kind):\n        return one._x\nclass P:\n    v = D()\n    def __init__(self, x):\n        self._x = x",
            "P(x).v",
        ),
        ("def d(f):\n    return lambda x: x\n@d\ndef g(x):\n    return ''", "g(x)"),
        ("def d(f):\n    def w(x):\n        return x\n    return w\n@d\ndef g(x):\n    return ''", "g(x)"),
    ];
    let mut programs: Vec<String> = ways
        .iter()
        .map(|(before, made)| {
            format!("{before}\ndef find(db, x):\n    y = {made}\n    return db.execute(\"SELECT a FROM t WHERE b = '\" + y + \"'\")\n")
        })
        .collect();
    for (method, made) in [
        ("__abs__(self)", "abs(A(x))"),
        ("__round__(self)", "round(A(x))"),
        ("__neg__(self)", "-A(x)"),
        ("__invert__(self)", "~A(x)"),
        ("__floor__(self)", "math.floor(A(x))"),
        ("__pow__(self, other)", "pow(A(x), 2)"),
        ("__divmod__(self, other)", "divmod(A(x), 2)"),
        ("__radd__(self, other)", "sum([A(x)])"),
        ("__matmul__(self, other)", "A(x) @ 2"),
        ("__eq__(self, other)", "(A(x) == 1)"),
        ("__lt__(self, other)", "(A(x) < 1)"),
        ("__format__(self, form): return ''\n    def __str__(self)", "str(A(x))"),
        ("__truediv__(self, other): return ''\n    def __floordiv__(self, other)", "A(x) // 2"),
    ] {
        programs.push(format!(
            "import math\nclass A:\n    def __init__(self, x):\n        self.x = x\n    def {method}:\n        return self.x\n\
             def find(db, x):\n    y = {made}\n    return db.execute(\"SELECT a FROM t WHERE b = '\" + y + \"'\")\n"
        ));
    }
    all_found(&programs.iter().map(String::as_str).collect::<Vec<_>>());
}

/// How an object is set up is not believed where names are put into it that the text does not show.
#[test]
fn settings_of_an_object_that_anything_may_be_put_into_are_anybodys() {
    let programs: Vec<String> = [
        "vars(self)['table'] = name",
        "setattr(self, 'tab' + 'le', name)",
        "self.__dict__['table'] = name",
        "self.table = name",
    ]
    .iter()
    .map(|put| {
        format!(
            "class Q:\n    def __init__(self, name):\n        {put}\n    def run(self, db):\n\
             \x20       return db.execute(\"SELECT * FROM users WHERE name = '\" + self.table + \"'\")\n\
             def find(db, name):\n    return Q(name).run(db)\n"
        )
    })
    .collect();
    all_found(&programs.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Programs of a file: each begins with a line `#= what it is about`.
fn programs(text: &str) -> Vec<&str> {
    let begins = |part: &&str| !part.is_empty();
    text.split("#= ").filter(begins).filter_map(|part| part.split_once('\n')).map(|(_, code)| code).collect()
}

/// Constants that are worked out, put into mappings, kept in attributes, bound by `partial`, set later; calls by other names.
#[test]
fn what_is_wrong_by_a_constant_is_wrong_however_the_constant_is_said() {
    all_found(&programs(include_str!("evasions/constants.txt")));
}

/// Tests that ask for nothing, come out the same anyway, decide nothing, come too late, or whose exception is dealt with.
#[test]
fn a_test_that_decides_nothing_is_no_guard() {
    all_found(&programs(include_str!("evasions/guards.txt")));
}

/// Sanitizers that were replaced, guards of something else, classes that are made from dangerous ones.
#[test]
fn what_only_looks_like_a_guard_or_sanitizer_clears_nothing() {
    all_found(&programs(include_str!("evasions/flows.txt")));
}

/// Written after the others were mended.
#[test]
fn variants_that_nobody_looked_at_are_found_as_well() {
    all_found(&programs(include_str!("evasions/variants.txt")));
}

/// The same in unusual styles, done right.
#[test]
fn unusual_styles_that_are_right_have_no_finding() {
    none_found(&programs(include_str!("evasions/honest.txt")));
}
