//! Kinds of programs that an analysis of names alone gets wrong: objects with several names, methods that the language
//! calls, tests of places, constants that decide, texts that a table or a filter makes.

use real_detector::{Options, analyze};

fn check(vulnerable: bool, programs: &[&str]) {
    let is_found = |code: &str| match analyze(code, &Options::default()) {
        Ok(findings) => !findings.is_empty(),
        Err(error) => panic!("{}\n{code}", error.message),
    };
    let wrong: Vec<String> =
        programs.iter().filter(|code| is_found(code) != vulnerable).map(|code| format!("---\n{code}\n")).collect();
    assert!(wrong.is_empty(), "expected {vulnerable}:\n{}", wrong.concat());
}

#[test]
fn what_changes_under_one_name_has_changed_under_all() {
    check(
        true,
        &[
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line\n    rest.append(word)\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line\n    last = rest\n    last += [word]\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line\n    rest.extend([word])\n    os.system(line[1])\n",
            "import os\ndef run(word):\n    first = second = []\n    first.append(word)\n    os.system(second[0])\n",
            "import os\ndef run(word):\n    first = second = []\n    second.append(word)\n    os.system(first[0])\n",
            "import os\ndef run(word):\n    job = {'args': []}\n    args = job['args']\n    args.insert(0, word)\n    os.system(' '.join(job['args']))\n",
            "import os\ndef run(word):\n    job = {'args': []}\n    job.get('args').append(word)\n    os.system(' '.join(job['args']))\n",
            "import os\ndef run(word):\n    job = {}\n    args = job.setdefault('args', [])\n    args.append(word)\n    os.system(' '.join(job['args']))\n",
            "import os\ndef run(word):\n    job = {'a': {'b': []}}\n    inner = job['a']\n    inner['b'].append(word)\n    os.system(job['a']['b'][0])\n",
            "import os\ndef run(word):\n    rows = [[], []]\n    for row in rows:\n        row.append(word)\n    os.system(rows[0][0])\n",
            "import os\ndef run(word):\n    rows = {'x': []}\n    for row in rows.values():\n        row.append(word)\n    os.system(rows['x'][0])\n",
            "import os\ndef run(word, both):\n    one, two = [], []\n    line = one if both else two\n    line.append(word)\n    os.system(''.join(one))\n",
            "import os\ndef run(words):\n    line = []\n    rest = line\n    for word in words:\n        rest.append(word)\n    os.system(' '.join(line))\n",
            "import os\nclass Job:\n    def __init__(self):\n        self.args = {}\n    def put(self, word):\n        args = self.args\n        args['w'] = word\n    def run(self):\n        os.system(self.args['w'])\n",
            "import os\ndef fill(line, word):\n    line += [word]\ndef run(word):\n    line = ['ls']\n    fill(line, word)\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    job = dict()\n    job['x'] = {}\n    part = job['x']\n    part['y'] = word\n    os.system(job['x']['y'])\n",
        ],
    );
    check(
        false,
        &[
            "import os\ndef run(word):\n    line = 'ls'\n    rest = line\n    rest += word\n    os.system(line)\n",
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line.copy()\n    rest.append(word)\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line\n    rest = ['pwd']\n    rest.append(word)\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    line = ['ls']\n    rest = line + ['-l']\n    rest.append(word)\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    line = [word]\n    line.clear()\n    line.append('ls')\n    os.system(' '.join(line))\n",
            "import os\ndef run(word):\n    job = {'args': word}\n    job.clear()\n    job['args'] = 'ls'\n    os.system(job['args'])\n",
        ],
    );
}

#[test]
fn methods_that_the_language_calls_carry_what_they_return() {
    check(
        true,
        &[
            "import os\nclass Word:\n    def __init__(self, text):\n        self.text = text\n    def __str__(self):\n        return self.text\ndef run(text):\n    os.system('ls ' + str(Word(text)))\n",
            "import os\nclass Word:\n    def __init__(self, text):\n        self.text = text\n    def __repr__(self):\n        return 'w' + self.text\ndef run(text):\n    os.system('ls %s' % Word(text))\n",
            "import os\nclass Word:\n    def __init__(self, text):\n        self.text = text\n    def __repr__(self):\n        return self.text\ndef run(text):\n    os.system('ls %s %s' % ('-l', Word(text)))\n",
            "import os\nclass Word:\n    def __init__(self, text):\n        self.text = text\n    def __format__(self, spec):\n        return self.text\ndef run(text):\n    os.system('ls {:>9}'.format(Word(text)))\n",
            "import os\nclass Line:\n    def __init__(self, words):\n        self.words = words\n    def __iter__(self):\n        return iter(self.words)\ndef run(text):\n    os.system(' '.join(Line([text])))\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __iter__(self):\n        return self\n    def __next__(self):\n        return self.word\ndef run(text):\n    for word in Line(text):\n        os.system(word)\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __getitem__(self, index):\n        return self.word\ndef run(text):\n    os.system(Line(text)[0])\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __getattr__(self, name):\n        return self.word\ndef run(text):\n    os.system(Line(text).anything)\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __radd__(self, other):\n        return other + self.word\ndef run(text):\n    os.system('ls ' + Line(text))\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __mod__(self, other):\n        return self.word % other\ndef run(text):\n    os.system(Line('ls %s') % text)\n",
            "import os\nclass Line:\n    def __init__(self, word):\n        self.word = word\n    def __truediv__(self, other):\n        return self.word + '/' + other\ndef run(text):\n    os.system(Line('ls') / text)\n",
            "import os\nclass Line:\n    def __call__(self, word):\n        return 'ls ' + word\ndef run(text):\n    os.system(Line()(text))\n",
            "import os\nclass Line(str):\n    pass\ndef run(text):\n    os.system(Line(text))\n",
            "import os\nclass Line(str):\n    def listed(self):\n        return 'ls ' + self\ndef run(text):\n    os.system(Line(text).listed())\n",
            "import os\nfrom collections import UserString\nclass Line(UserString):\n    pass\ndef run(text):\n    os.system(f'ls {Line(text)}')\n",
            "import os\nclass Words(list):\n    pass\ndef run(text):\n    os.system(' '.join(Words([text])))\n",
            "import os, configparser\ndef run(text):\n    settings = configparser.ConfigParser()\n    settings.read_string(text)\n    os.system(settings.get('a', 'b'))\n",
            "import os, configparser\ndef run(text):\n    settings = configparser.RawConfigParser()\n    settings.read_dict({'a': {'b': text}})\n    os.system(settings['a']['b'])\n",
        ],
    );
    check(
        false,
        &[
            "import os\nclass Word:\n    def __init__(self, text):\n        self.text = text\n    def __str__(self):\n        return 'word'\ndef run(text):\n    os.system('ls ' + str(Word(text)))\n",
            "import os\nclass Line:\n    def __init__(self, text):\n        self.text = text\n    def __iter__(self):\n        yield 'ls'\ndef run(text):\n    for word in Line(text):\n        os.system(word)\n",
            "import os\nclass Line:\n    def __init__(self, text):\n        self.text = text\n    def __add__(self, other):\n        return 'ls ' + other\ndef run(text):\n    os.system(Line(text) + '-l')\n",
            "import os\nfrom enum import Enum\nclass Mode(str, Enum):\n    LS = 'ls'\n    PWD = 'pwd'\ndef run(text):\n    os.system(Mode(text).value)\n",
        ],
    );
}

#[test]
fn tests_of_places_hold_where_the_places_are_read_again() {
    check(
        false,
        &[
            "import os, json\ndef run(text):\n    job = json.loads(text)\n    if job['mode'] in ('ls', 'pwd'):\n        os.system(job['mode'])\n",
            "import json\ndef run(con, text):\n    job = json.loads(text)\n    if not job['mode'].isalnum():\n        return\n    print(text)\n    con.execute(\"SELECT * FROM t WHERE a = '\" + job['mode'] + \"'\")\n",
            "import os, json\nMODES = {'ls', 'pwd'}\ndef run(text):\n    for job in json.loads(text):\n        if job['mode'] not in MODES:\n            continue\n        os.system(job['mode'])\n",
            "import os, argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--mode')\nargs = parser.parse_args()\ndef main():\n    if args.mode not in ('ls', 'pwd'):\n        raise ValueError(args.mode)\n    os.system(args.mode)\nmain()\n",
            "import os\nclass Job:\n    def __init__(self, mode):\n        self.mode = mode\n    def run(self):\n        if self.mode not in ('ls', 'pwd'):\n            raise ValueError\n        os.system(self.mode)\n",
            "import os\ndef run(job, times):\n    for time in times:\n        print(time, job)\n        if job.mode not in ('ls', 'pwd'):\n            continue\n        os.system(job.mode)\n",
            "import os\ndef run(jobs):\n    job = jobs.pop()\n    if job.mode == 'ls' or job.mode == 'pwd':\n        os.system(job.mode)\n",
            "import os\ndef check(mode):\n    if mode not in ('ls', 'pwd'):\n        raise ValueError(mode)\ndef run(jobs):\n    job = jobs.pop()\n    check(job['mode'])\n    os.system(job['mode'])\n",
            "import os, argparse\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('-m', '--mode-name', choices=('ls', 'pwd'), default='ls')\n    args = parser.parse_args()\n    os.system(args.mode_name)\n",
            "import os, argparse\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--depth', type=int, default=1)\n    args = parser.parse_args()\n    os.system(f'tree -L {args.depth}')\n",
            "import os, argparse\nMODES = {'a': 'ls', 'b': 'pwd'}\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('mode', choices=sorted(MODES))\n    args = parser.parse_args()\n    os.system(args.mode)\n",
        ],
    );
    check(
        true,
        &[
            "import os, json\ndef run(text):\n    job = json.loads(text)\n    if job['mode'] in ('ls', 'pwd'):\n        print('known')\n    os.system(job['mode'])\n",
            "import os, json\ndef run(text):\n    job = json.loads(text)\n    if job['mode'] in ('ls', 'pwd'):\n        os.system(job['line'])\n",
            "import os\ndef fill(job, more):\n    job['mode'] = more\ndef run(job, more):\n    if job['mode'] in ('ls', 'pwd'):\n        fill(job, more)\n        os.system(job['mode'])\n",
            "import os, json\ndef run(text, more):\n    job = json.loads(text)\n    if job['mode'] in ('ls', 'pwd'):\n        job = json.loads(more)\n        os.system(job['mode'])\n",
            "import os, json\ndef run(text, more):\n    job = json.loads(text)\n    if job['mode'] in ('ls', 'pwd'):\n        job['mode'] = more\n        os.system(job['mode'])\n",
            "import os, argparse\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('mode', choices=('ls', 'pwd'))\n    parser.add_argument('rest')\n    args = parser.parse_args()\n    os.system(args.rest)\n",
            "import os, argparse\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('mode', type=str)\n    args = parser.parse_args()\n    os.system(args.mode)\n",
        ],
    );
}

#[test]
fn constants_decide_and_assertions_about_texts_do_not() {
    check(
        false,
        &[
            "import os\nDEBUG = False\ndef run(text):\n    if DEBUG:\n        os.system(text)\n",
            "import os\ndef run(text):\n    size = 3\n    if size ** 2 < 4:\n        os.system(text)\n",
            "import os\nLEVEL = 2\ndef run(text):\n    if LEVEL > 3 and text:\n        os.system(text)\n",
            "import os\ndef run(text):\n    mode = 'safe'\n    if mode != 'safe':\n        os.system(text)\n",
            "import os\ndef run(text):\n    line = text if 7 % 2 == 0 else 'ls'\n    os.system(line)\n",
            "import os\ndef run(count):\n    assert isinstance(count, int)\n    os.system(f'head -n {count}')\n",
            "import os\ndef run(text):\n    while False:\n        os.system(text)\n",
        ],
    );
    check(
        true,
        &[
            "import os\nDEBUG = False\ndef switch():\n    global DEBUG\n    DEBUG = True\ndef run(text):\n    if DEBUG:\n        os.system(text)\n",
            "import os\nDEBUG = True\ndef run(text):\n    if DEBUG:\n        os.system(text)\n",
            "import os\nDEBUG = False\nDEBUG = bool(os.environ.get('DEBUG'))\ndef run(text):\n    if DEBUG:\n        os.system(text)\n",
            "import os\ndef run(text):\n    count = 0\n    for char in text:\n        count += 1\n    if count > 3:\n        os.system(text)\n",
            "import os\ndef run(text, size):\n    if size * 3 > 10:\n        os.system(text)\n",
            "import os\ndef run(text):\n    assert text in ('ls', 'pwd')\n    os.system(text)\n",
            "import os, re\ndef run(text):\n    assert re.fullmatch('[a-z]+', text), text\n    os.system(text)\n",
            "import os\ndef run(text):\n    assert isinstance(text, str)\n    os.system(text)\n",
        ],
    );
}

#[test]
fn tables_filters_and_differences_say_what_is_left() {
    check(
        false,
        &[
            "def find(con, name):\n    name = ''.join(filter(str.isdigit, name))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = ''.join(filter(lambda char: char.isalnum(), name))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def plain(char):\n    return char in 'abcdef'\ndef find(con, name):\n    name = ''.join(filter(plain, name))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    if not all(map(str.isalnum, name)):\n        raise ValueError(name)\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = name.translate(str.maketrans('', '', \"'\\\\\\\\\"))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = name.translate(str.maketrans({\"'\": None}))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = name.translate({39: ' '})\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = name.translate(str.maketrans(\"'\", '_'))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "FIELDS = {'a', 'b'}\ndef change(con, **values):\n    if set(values) - FIELDS:\n        raise ValueError\n    con.execute('UPDATE t SET ' + ', '.join(f'{key} = ?' for key in values), tuple(values.values()))\n",
            "FIELDS = {'a', 'b'}\ndef change(con, **values):\n    unknown = values.keys() - FIELDS\n    if unknown:\n        raise ValueError(unknown)\n    con.execute('UPDATE t SET ' + ', '.join(key + ' = ?' for key in values), list(values.values()))\n",
            "FIELDS = ('a', 'b')\ndef change(con, **values):\n    unknown = [key for key in values if key not in FIELDS]\n    if unknown:\n        raise ValueError(unknown)\n    con.execute('UPDATE t SET ' + ', '.join(key + ' = ?' for key in values), list(values.values()))\n",
            "FIELDS = {'a', 'b'}\ndef change(con, **values):\n    if set(values).difference(FIELDS):\n        raise ValueError\n    con.execute('UPDATE t SET ' + ', '.join(key + ' = ?' for key in values), list(values.values()))\n",
        ],
    );
    check(
        true,
        &[
            "def find(con, name):\n    name = ''.join(filter(None, name))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = ''.join(filter(lambda char: not char.isalnum(), name))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "def find(con, name):\n    name = name.translate(str.maketrans('a', \"'\"))\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name.replace(\"'\", '') .translate(str.maketrans('a', \"'\")) + \"'\")\n",
            "def find(con, name):\n    name = name.translate({34: None})\n    con.execute(\"SELECT * FROM t WHERE n = '\" + name + \"'\")\n",
            "FIELDS = {'a', 'b'}\ndef change(con, **values):\n    if FIELDS - set(values):\n        raise ValueError\n    con.execute('UPDATE t SET ' + ', '.join(f'{key} = ?' for key in values), tuple(values.values()))\n",
            "FIELDS = {'a', 'b'}\ndef change(con, **values):\n    if set(values) - FIELDS:\n        raise ValueError\n    con.execute('UPDATE t SET ' + ', '.join(f\"{key} = '{values[key]}'\" for key in values))\n",
            "FIELDS = ('a', 'b')\ndef change(con, **values):\n    unknown = [key for key in values if key not in FIELDS and len(key) > 9]\n    if unknown:\n        raise ValueError(unknown)\n    con.execute('UPDATE t SET ' + ', '.join(key + ' = ?' for key in values), list(values.values()))\n",
        ],
    );
}

#[test]
fn a_helper_is_what_each_of_its_calls_makes_of_it() {
    check(
        false,
        &[
            "def wrapped(text):\n    return '[' + text + ']'\ndef find(con, name):\n    print(wrapped(name))\n    con.execute('SELECT ' + wrapped('id'))\n",
            "def pick(first, second):\n    if first:\n        return first\n    return second\ndef find(con, name):\n    print(pick(name, 'x'))\n    con.execute('SELECT ' + pick('id', 'name'))\n",
            "class Quoter:\n    def quoted(self, text):\n        return '\"' + text + '\"'\ndef find(con, name):\n    quoter = Quoter()\n    print(quoter.quoted(name))\n    con.execute('SELECT ' + quoter.quoted('id'))\n",
            "def wrapped(text):\n    return '(' + text + ')'\ndef twice(text):\n    return wrapped(text) + wrapped(text)\ndef find(con, name):\n    print(wrapped(name))\n    con.execute('SELECT ' + wrapped('1'))\n",
        ],
    );
    check(
        true,
        &[
            "def wrapped(text):\n    return '[' + text + ']'\ndef find(con, name):\n    print(wrapped('id'))\n    con.execute('SELECT ' + wrapped(name))\n",
            "def pick(first, second):\n    if first:\n        return first\n    return second\ndef find(con, name):\n    print(pick('a', 'x'))\n    con.execute('SELECT ' + pick('', name))\n",
            "seen = []\ndef kept(text):\n    seen.append(text)\n    return seen[0]\ndef find(con, name):\n    kept(name)\n    con.execute('SELECT ' + kept('id'))\n",
        ],
    );
}
