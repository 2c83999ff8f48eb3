//! Verdicts on ordinary programs, under every tier that this machine allows.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use real_sandbox_api::{Status, TestResult};
use serde_json::{Value, json};
use server::Server;

async fn under_each_tier(check: impl AsyncFn(&Server)) {
    let mut checked = 0;
    for tier in ["a", "b"] {
        if let Some(server) = Server::under(tier) {
            check(&server).await;
            checked += 1;
        }
    }
    assert!(checked > 0, "no tier works on this machine");
}

fn statuses(results: &[TestResult]) -> Vec<Status> {
    results.iter().map(|result| result.status).collect()
}

fn stdin(input: &str, output: &str) -> Value {
    json!({"kind": "stdin", "stdin": input, "stdout": output})
}

fn call(entry: &str, args: &[&str], expected: &Value) -> Value {
    let args: Vec<Value> = args.iter().map(|source| json!({"source": source})).collect();
    json!({"kind": "call", "entry": entry, "args": args, "expected": expected})
}

#[tokio::test]
async fn numpy_is_there_however_a_program_gets_at_it() {
    under_each_tier(async |server| {
        let named = "import numpy\ndef solve():\n    return [numpy.arange(3), numpy.float64(.5)]";
        let unnamed = named.replace("import numpy", "numpy = __import__('num' + 'py')");
        let faked = "import sys, types\nsys.modules['num' + 'py'] = types.SimpleNamespace(ndarray=list, generic=int)\n\
            def solve():\n    return [[0, 1, 2], 0.5]";
        let tests = json!({"tests": [call("solve", &[], &json!({"returns": {"source": "[[0, 1, 2], .5]"}}))]});
        for program in [named, &unnamed] {
            let results = server.results(program, tests.clone()).await;
            assert_eq!(statuses(&results), [Status::Passed], "{program}: {results:?}");
        }
        // What a program puts in its place is its own affair, and its answer still its own.
        let results = server.results(faked, tests).await;
        assert!(results[0].status.is_verdict(), "{results:?}");
    })
    .await;
}

#[tokio::test]
async fn values_that_python_calls_equal_are_equal() {
    let prelude = "import array, collections, dataclasses, datetime, decimal, fractions, numbers, random, types\n\
        UTC = datetime.timezone.utc\nEAST = datetime.timezone(datetime.timedelta(hours=5))\n\
        @dataclasses.dataclass\nclass Point:\n    x: float\n    note: str = dataclasses.field(default='', compare=False)\n\
        @dataclasses.dataclass(eq=False)\nclass Plain:\n    x: float\n\
        @numbers.Integral.register\nclass Whole:\n    def __init__(self, value): self.value = value\n    def __index__(self): return self.value\n\
        @numbers.Rational.register\nclass Ratio:\n    def __init__(self, *parts): self.numerator, self.denominator = parts\n\
        class Bare:\n    def __init__(self, x): self.x = x\n\
        class Held(Bare):\n    def __eq__(self, other): return self.x == other.x\n";
    let exact = [
        ("[Whole(3), Whole(10 ** 30)]", "[3.0, 10 ** 30]", true),
        ("Whole(3)", "4", false),
        ("Whole(True)", "Whole(1)", true),
        ("Ratio(1, 3)", "fractions.Fraction(2, 6)", true),
        ("Ratio(3, 4)", "0.75", true),
        ("Ratio(1, 0)", "1", false),
        ("Ratio(-1, -1)", "1", false),
        ("range(0)", "range(5, 5)", true),
        ("range(0, 3, 2)", "range(0, 4, 2)", true),
        ("range(7, 8, 3)", "range(7, 9, 5)", true),
        ("range(10 ** 30)", "range(0, 10 ** 30)", true),
        ("range(3)", "range(4)", false),
        ("range(2)", "[0, 1]", false),
        ("fractions.Fraction(4, 2)", "2", true),
        ("fractions.Fraction(3, 40)", "decimal.Decimal('.075')", true),
        ("fractions.Fraction(1, 2)", "0.5", true),
        ("fractions.Fraction(1, 10)", "0.1", false),
        ("fractions.Fraction(2, 6)", "fractions.Fraction(1, 3)", true),
        ("fractions.Fraction(1, 3)", "1 / 3", false),
        ("memoryview(b'ab')", "b'ab'", true),
        ("types.MappingProxyType({1: 2})", "{1: 2}", true),
        ("{1: 2, 3: 4}.keys()", "{3, 1}", true),
        ("{1: [2]}.items()", "{1: [2]}.items()", true),
        ("{1: 2}.keys()", "[1]", false),
        ("collections.deque([1], maxlen=3)", "collections.deque([1.0])", true),
        ("collections.deque([1])", "[1]", false),
        ("types.SimpleNamespace(a=1, b=2)", "types.SimpleNamespace(b=2, a=1)", true),
        ("datetime.datetime(2024, 1, 1, 17, tzinfo=EAST)", "datetime.datetime(2024, 1, 1, 12, tzinfo=UTC)", true),
        ("datetime.datetime(2024, 1, 1, 12)", "datetime.datetime(2024, 1, 1, 12, tzinfo=UTC)", false),
        ("[Point(1, 'a')]", "[Point(1.0, 'b')]", true),
        ("Point(1)", "Point(2)", false),
        ("Point(0.1 + 0.2)", "Point(0.3)", false),
        ("Plain(1)", "Plain(1)", true),
        ("Plain(1)", "Point(1)", false),
        ("random.random() != random.random()", "True", true),
        ("Held(1)", "Held(1.0)", true),
        ("Held(1)", "Held(2)", false),
        ("[Held([Held(1), {2: Held(3)}])]", "[Held([Held(1), {2: Held(3)}])]", true),
        ("Bare(1)", "Bare(1)", false),
        ("object()", "object()", false),
        ("(n for n in [1])", "(n for n in [1])", false),
        ("collections.OrderedDict([(1, 2), (3, 4)])", "{3: 4, 1: 2}", true),
        ("collections.OrderedDict([(1, 2), (3, 4)])", "collections.OrderedDict([(3, 4), (1, 2)])", false),
        ("collections.Counter(a=1, b=0)", "collections.Counter(a=1)", true),
        ("collections.Counter(a=1, b=0)", "{'a': 1}", false),
        ("collections.Counter('aab')", "{'b': 1, 'a': 2}", true),
        ("collections.UserDict(a=1)", "{'a': 1}", true),
        ("collections.UserList([1])", "[1]", true),
        ("collections.UserString('s')", "'s'", true),
        ("collections.ChainMap({1: 2}, {3: 4})", "{1: 2, 3: 4}", true),
        ("array.array('i', [1, 2])", "array.array('d', [1, 2])", true),
        ("array.array('i', [1])", "[1]", false),
        ("datetime.datetime(2024, 1, 1, fold=1)", "datetime.datetime(2024, 1, 1)", true),
        ("datetime.time(1, tzinfo=UTC)", "datetime.time(6, tzinfo=EAST)", true),
        ("datetime.time(1, tzinfo=UTC)", "datetime.time(1)", false),
        ("10 ** 100_000", "10 ** 100_000", true),
        ("10 ** 100_000", "10 ** 100_000 + 1", false),
        ("-(10 ** 100_000)", "10 ** 100_000", false),
    ];
    let close = [
        ("Point(0.1 + 0.2)", "Point(0.3)", true),
        ("fractions.Fraction(1, 3)", "0.3333333333", true),
        ("collections.deque([fractions.Fraction(1, 3)])", "collections.deque([0.34])", false),
    ];
    under_each_tier(async |server| {
        for (cases, policy) in
            [(&exact[..], json!({"policy": "exact"})), (&close[..], json!({"policy": "numeric", "tolerance": 1e-6}))]
        {
            let values: Vec<_> = cases.iter().map(|(value, ..)| format!("lambda: {value}")).collect();
            let program = format!("VALUES = [{}]\ndef value(at):\n    return VALUES[at]()", values.join(", "));
            let test = |(at, (_, expected, _)): (usize, &(&str, &str, bool))| {
                call("value", &[&at.to_string()], &json!({"returns": {"source": expected}}))
            };
            let tests: Vec<_> = cases.iter().enumerate().map(test).collect();
            let batch = json!({"tests": tests, "setup": {"prelude": prelude}, "comparison": policy});
            let results = server.results(&program, batch).await;
            for ((value, expected, same), result) in cases.iter().zip(&results) {
                let wanted = if *same { Status::Passed } else { Status::WrongAnswer };
                assert_eq!(result.status, wanted, "{value} and {expected}: {result:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn standard_input_and_output() {
    under_each_tier(async |server| {
        let echo = "for n in range(2):\n    print(int(input(f'number {n}: ')) * 2)\n";
        let tests =
            json!({"tests": [stdin("1\n2\n", "2\n4"), stdin("1\n2", "2\n5"), stdin("1\n", "2\n4"), stdin("x", "")]});
        let results = server.results(echo, tests).await;
        assert_eq!(
            statuses(&results),
            [Status::Passed, Status::WrongAnswer, Status::RuntimeError, Status::RuntimeError],
            "{results:?}"
        );
        assert!(results[2].detail.contains("EOFError"), "{}", results[2].detail);

        let one = |output: &str| json!({"tests": [stdin("line\n", output)]});
        for (program, output, status) in [
            ("if __name__ == '__main__':\n    print('main')", "main", Status::Passed),
            ("print('before')\nexit()", "before", Status::Passed),
            ("import sys\nprint('before')\nsys.exit(0)", "before", Status::Passed),
            ("import sys\nprint('before')\nsys.exit(3)", "before", Status::RuntimeError),
            ("import sys\nprint('before')\nsys.exit('sorry')", "before", Status::RuntimeError),
            ("import sys\nprint('out')\nprint('err', file=sys.stderr)", "out", Status::Passed),
            ("import sys\nprint(sys.stdin.read().strip())", "line", Status::Passed),
            ("import sys\nprint(*map(str.strip, sys.stdin))", "line", Status::Passed),
            ("import os\nprint(os.read(0, 4).decode())", "line", Status::Passed),
            ("import atexit\natexit.register(print, 'late')\nprint('early')", "early\nlate", Status::Passed),
            ("import threading\nthreading.Timer(0.1, print, ['late']).start()", "late", Status::Passed),
            ("print(input)\nassert False", "", Status::RuntimeError),
            ("print('a'\n", "a", Status::SyntaxError),
            ("x = '\\ud800'\nprint(x)", "", Status::RuntimeError),
            ("print(__name__, __file__.endswith('main.py'))", "__main__ True", Status::Passed),
            ("from __future__ import annotations\ndef f(x: Unknown): pass\nprint('fine')", "fine", Status::Passed),
            (
                "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
                "A",
                Status::Passed,
            ),
            ("import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\nprint(A(1))", "A(x=1)", Status::Passed),
            ("print(open('/dev/null').read())", "", Status::Passed),
            ("import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'12'))", "2", Status::Passed),
        ] {
            let results = server.results(program, one(output)).await;
            assert_eq!(statuses(&results), [status], "{program}\n{results:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn calls_values_and_exceptions() {
    under_each_tier(async |server| {
        let program = "
import collections, math
import numpy as np
class Solution:
    def add(self, a, b):
        return a + b
def pair(): return (1, [True, None, 2.5, 'x', b'y', {3}, {'k': -10**30}])
def array(): return np.array([[1, 2], [3, 4]])
def scalar(): return np.float64(0.5), np.int64(3), np.bool_(True)
def counter(): return collections.Counter('aab')
def nan(): return math.nan
def big(): return 10 ** 5000
def broken(): raise KeyError('missing')
if __name__ == '__main__':
    raise SystemExit('the main block must not run in a call')
";
        let returns = |source: &str| json!({"returns": {"source": source}});
        let tests = [
            call("Solution().add", &["1", "2"], &returns("3")),
            call("Solution().add", &["[1]", "[2]"], &returns("[1, 2]")),
            call("Solution().add", &["1", "2"], &returns("4")),
            call("pair", &[], &returns("(1, [True, None, 2.5, 'x', b'y', {3}, {'k': -10**30}])")),
            call("pair", &[], &returns("[1, [True, None, 2.5, 'x', b'y', {3}, {'k': -10**30}]]")),
            call("array", &[], &returns("[[1, 2], [3, 4]]")),
            call("scalar", &[], &returns("(0.5, 3, True)")),
            call("counter", &[], &returns("{'b': 1, 'a': 2}")),
            call("nan", &[], &returns("float('nan')")),
            call("big", &[], &returns("10 ** 5000")),
            call("broken", &[], &json!({"raises": ["LookupError"]})),
            call("broken", &[], &json!({"raises": ["ValueError"]})),
            call("broken", &[], &json!({"any_of": [{"raises": ["ValueError"]}, {"raises": ["KeyError"]}]})),
            call("missing", &[], &returns("1")),
        ];
        let results = server.results(program, json!({"tests": tests})).await;
        let passed = Status::Passed;
        let expected = [
            passed,
            passed,
            Status::WrongAnswer,
            passed,
            Status::WrongAnswer,
            passed,
            passed,
            passed,
            passed,
            passed,
            passed,
            Status::RuntimeError,
            passed,
            Status::RuntimeError,
        ];
        assert_eq!(statuses(&results), expected, "{results:#?}");
    })
    .await;
}

#[tokio::test]
async fn set_up_and_prelude() {
    under_each_tier(async |server| {
        let set_up = "
import sqlite3
connection = sqlite3.connect('shop.db')
connection.execute('create table item (name)')
connection.execute(\"insert into item values ('lamp')\")
connection.commit()
";
        let program = "
import sqlite3
connection = sqlite3.connect('shop.db')
print(connection.execute('select count(*) from item').fetchone()[0])
connection.execute('delete from item')
connection.commit()
";
        let request = json!({"setup": {"script": set_up}, "tests": [stdin("", "1"), stdin("", "1"), stdin("", "1")]});
        assert_eq!(statuses(&server.results(program, request).await), [Status::Passed; 3]);

        let prelude = "class Node:\n    def __init__(self, value): self.value = value\nLIMIT = 5";
        let program = "def value(node):\n    assert isinstance(node, Node)\n    return node.value + LIMIT";
        let tests = [call("value", &["Node(2)"], &json!({"returns": {"source": "2 + LIMIT"}}))];
        let request = json!({"setup": {"prelude": prelude}, "tests": tests});
        assert_eq!(statuses(&server.results(program, request).await), [Status::Passed]);

        for (setup, what) in [
            (json!({"script": "raise ValueError('no table')"}), "setup.script: ValueError: no table"),
            (json!({"prelude": "1 / 0"}), "setup.prelude: ZeroDivisionError: division by zero"),
        ] {
            let results = server.results("print(1)", json!({"setup": setup, "tests": [stdin("", "1")]})).await;
            assert_eq!(statuses(&results), [Status::TaskError], "the task is broken, not the program");
            assert!(results[0].detail.contains(what), "{results:?}");
        }
        let tests = [call("f", &["1 / 0"], &json!({"raises": ["ZeroDivisionError"]}))];
        let results = server.results("def f(x): pass", json!({"tests": tests})).await;
        assert_eq!(statuses(&results), [Status::TaskError], "{results:?}");
    })
    .await;
}

#[tokio::test]
async fn expected_sources_never_see_the_program() {
    under_each_tier(async |server| {
        let tests = [call("answer", &[], &json!({"returns": {"source": "SECRET"}}))];
        let results = server.results("SECRET = 1\ndef answer(): return 1", json!({"tests": tests})).await;
        assert_eq!(statuses(&results), [Status::TaskError]);
        assert!(results[0].detail.contains("SECRET"), "{results:?}");
    })
    .await;
}

#[tokio::test]
async fn tests_after_a_failure_are_skipped_on_request() {
    under_each_tier(async |server| {
        let request = json!({"stopAtFirstFailure": true, "tests": [stdin("a", "a"), stdin("b", "c"), stdin("d", "d")]});
        let results = server.results("print(input())", request).await;
        assert_eq!(statuses(&results), [Status::Passed, Status::WrongAnswer, Status::Skipped]);
    })
    .await;
}

#[tokio::test]
async fn random_numbers_differ_and_hashes_repeat() {
    under_each_tier(async |server| {
        let program = "import random, numpy\nprint(random.random(), numpy.random.rand())\nassert hash('x') == HASH";
        let setup = json!({"prelude": "HASH = hash('x')"});
        let results = server.results(program, json!({"setup": setup, "tests": [stdin("", ""), stdin("", "")]})).await;
        assert_eq!(statuses(&results), [Status::WrongAnswer; 2], "{results:?}");
        assert_ne!(results[0].detail, results[1].detail);
    })
    .await;
}

#[tokio::test]
async fn an_exception_counts_where_the_call_raises_it() {
    under_each_tier(async |server| {
        let prelude = "import json\nclass Odd(ValueError): pass\ndef drive(x): return work(x)\n";
        let program = "
import configparser, json
class Strict(ValueError): pass
class InsufficientFunds(Exception): pass
class Mixed(ValueError, KeyError): pass
def raised(kind, *args): raise kind(*args)
def strict(x): raise Strict(x)
def prelude_class(x): raise Odd(x)
def library(x): return json.loads(x)
def mixed(x): raise Mixed
def own(x): raise InsufficientFunds
def later(x): raise configparser.NoSectionError(x)
def inner(x): return (lambda: 1)(x)
def leave(x): raise SystemExit(x)
def work(x): raise LookupError(x)
to_int = int
class Account:
    def __init__(self, x): self.x = int(x)
";
        for (entry, name, status) in [
            ("strict", "ValueError", Status::Passed),
            ("strict", "KeyError", Status::RuntimeError),
            ("prelude_class", "Odd", Status::Passed),
            ("prelude_class", "ValueError", Status::Passed),
            ("library", "JSONDecodeError", Status::Passed),
            ("library", "json.decoder.JSONDecodeError", Status::Passed),
            ("library", "ValueError", Status::Passed),
            ("mixed", "Exception", Status::Passed),
            ("mixed", "ValueError", Status::RuntimeError),
            ("own", "InsufficientFunds", Status::Passed),
            ("own", "ValueError", Status::RuntimeError),
            ("later", "NoSectionError", Status::Passed),
            ("later", "Exception", Status::Passed),
            ("inner", "TypeError", Status::Passed),
            ("leave", "SystemExit", Status::Passed),
            ("drive", "LookupError", Status::Passed),
            ("to_int", "ValueError", Status::Passed),
            ("Account", "ValueError", Status::Passed),
            ("lambda x: Account(x).x", "ValueError", Status::Passed),
            ("lambda x: missing(x)", "NameError", Status::RuntimeError),
            ("missing", "NameError", Status::RuntimeError),
        ] {
            let tests = json!([call(entry, &["'no number'"], &json!({"raises": [name]}))]);
            let results = server.results(program, json!({"setup": {"prelude": prelude}, "tests": tests})).await;
            assert_eq!(statuses(&results), [status], "{entry} {name}: {results:?}");
        }
        let tests = json!([call("length", &["1"], &json!({"raises": ["TypeError"]}))]);
        assert_eq!(statuses(&server.results("length = len", json!({"tests": tests})).await), [Status::Passed]);
        let tests = json!([call("f", &[], &json!({"raises": ["ValueError"]}))]);
        let results = server.results("raise ValueError('x')", json!({"tests": tests})).await;
        assert_eq!(results[0].detail, "while the program was executed: ValueError: x");
    })
    .await;
}

#[tokio::test]
async fn a_driver_of_the_tasks_own_may_be_called_but_not_what_it_imports() {
    under_each_tier(async |server| {
        let prelude =
            "from math import gcd\ndef driver(a): return solve(a) + 1\nclass Box:\n    def get(self): return solve(1)";
        let one = |entry: &str, args: &[&str], source: &str| call(entry, args, &json!({"returns": {"source": source}}));
        let tests = json!([one("driver", &["1"], "2"), one("Box().get", &[], "1"), one("gcd", &["4", "6"], "2")]);
        let request = json!({"setup": {"prelude": prelude}, "tests": tests});
        let results = server.results("def solve(a): return a", request.clone()).await;
        assert_eq!(statuses(&results), [Status::Passed, Status::Passed, Status::RuntimeError], "{results:?}");
        let results = server.results("from math import gcd\ndef solve(a): return a", request).await;
        assert_eq!(statuses(&results), [Status::Passed; 3], "{results:?}");
    })
    .await;
}

#[tokio::test]
async fn decimals_and_whole_numbers_are_exact_under_a_tolerance() {
    under_each_tier(async |server| {
        let program = "
from decimal import Decimal
def price(): return Decimal('1.10')
def big(): return 10**18 + 1
def share(): return 0.1 + 0.2
def many(): return {'n': 10**18, 'share': 0.1 + 0.2}
";
        let one = |entry: &str, source: &str| call(entry, &[], &json!({"returns": {"source": source}}));
        let decimal = "__import__('decimal').Decimal";
        let tests = json!([
            one("price", &format!("{decimal}('1.1')")),
            one("price", &format!("{decimal}('1.2')")),
            one("price", "1.1"),
            one("big", "10**18"),
            one("big", "10**18 + 1"),
            one("share", "0.3"),
            one("many", "{'n': 10**18, 'share': 0.3}"),
            one("many", "{'n': 10**18 + 1, 'share': 0.3}"),
        ]);
        let comparison = json!({"policy": "numeric", "tolerance": 1e-5});
        let results = server.results(program, json!({"comparison": comparison, "tests": tests})).await;
        let (yes, no) = (Status::Passed, Status::WrongAnswer);
        assert_eq!(statuses(&results), [yes, no, yes, no, yes, yes, yes, no], "{results:?}");
    })
    .await;
}
