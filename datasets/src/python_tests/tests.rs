use super::*;

fn read(source: &str, entry: Option<&str>) -> PythonTests {
    of_source(source, entry, "").expect("test input loads")
}

/// A test as one line.
fn line(test: &Test) -> String {
    let Check::Call { entry, args, kwargs, expected } = &test.check else { panic!("{test:?}") };
    let shown = |value: &dyn std::fmt::Debug| format!("{value:?}").replace('"', "'");
    let args: Vec<String> = args.iter().map(|arg| shown(arg)).collect();
    let kwargs: Vec<String> = kwargs.iter().map(|(name, arg)| format!("{name}={}", shown(arg))).collect();
    format!("{entry} | {} | {}", [args, kwargs].concat().join(", "), shown(expected))
}

fn lines(source: &str, entry: Option<&str>) -> Vec<String> {
    read(source, entry).tests.iter().map(line).collect()
}

#[test]
fn a_comparison_of_a_call_with_a_value_is_a_test_whose_expectation_the_program_does_not_see() {
    for (source, entry) in [
        ("assert f(1, x=[2]) == 3, 'message'", None),
        ("assert 3 == f(1, x=[2])", None),
        ("def check(candidate):\n    'text'\n    assert candidate(1, x=[2]) == 3\n    print('done')", Some("f")),
        ("from solution import f\n\ndef test_one():\n    assert f(1, x=[2]) == 3", None),
        ("assert f(1, x=[2]) == 3\n\nif __name__ == '__main__':\n    run()", None),
    ] {
        let read = read(source, entry);
        assert_eq!(
            read.tests.iter().map(line).collect::<Vec<_>>(),
            ["f | Value(Int('1')), x=Value(List([Int('2')])) | Returns(Value(Int('3')))"],
            "{source}"
        );
        assert!(!beside_the_program(&read.tests[0]));
        assert_eq!(read.prelude, "", "{source}");
    }
    assert_eq!(lines("assert f() is None", None), ["f |  | Returns(Value(None))"]);
    assert_eq!(
        lines("assert Solution().f(1) == 2", None),
        ["Solution().f | Value(Int('1')) | Returns(Value(Int('2')))"]
    );
    assert_eq!(
        lines("import pytest\ndef test_it():\n    with pytest.raises(ValueError):\n        f(-1)", None),
        ["f | Value(Int('-1')) | Raises(['ValueError'])"]
    );
}

#[test]
fn whatever_else_is_asserted_runs_beside_the_program_with_what_it_needs() {
    for (source, entry, expected, prelude) in [
        ("assert set(f(1)) == {1}", None, "lambda: bool(set(f(1)) == {1})", ""),
        (
            "import math\nimport os\nassert math.isclose(f(1), 0.3)",
            None,
            "lambda: bool(math.isclose(f(1), 0.3))",
            "import math",
        ),
        ("assert f(Point(1)) == 2", None, "lambda: bool(f(Point(1)) == 2)", ""),
        ("assert not f(0)", None, "lambda: bool(not f(0))", ""),
        ("assert f(0) is 3", None, "lambda: bool(f(0) is 3)", ""),
        (
            "def check(candidate):\n    assert abs(candidate(1.5) - 0.5) < 1e-6",
            Some("g"),
            "lambda: (lambda candidate: bool(abs(candidate(1.5) - 0.5) < 1e-6))(g)",
            "",
        ),
    ] {
        let read = read(source, entry);
        assert_eq!(line(&read.tests[0]), format!("{expected} |  | Returns(Value(Bool(true)))"));
        assert!(beside_the_program(&read.tests[0]));
        assert_eq!(read.prelude, prelude, "{source}");
    }
}

#[test]
fn a_check_with_statements_of_its_own_runs_as_a_whole_too() {
    let source = "import random\nMETADATA = {'a': 1}\ndef helper(x):\n    return x + random.random() * 0\n\n\
                  def check(candidate):\n    assert candidate(1) == 2\n    for _ in range(3):\n        n = random.randint(0, 9)\n        \
                  assert candidate(n) == helper(n) + 1\n";
    let read = read(source, Some("f"));
    let all: Vec<String> = read.tests.iter().map(line).collect();
    assert_eq!(all, ["f | Value(Int('1')) | Returns(Value(Int('2')))", "lambda: check(f) |  | Returns(Value(None))"]);
    assert!(
        read.prelude.starts_with("import random\ndef helper") && !read.prelude.contains("METADATA"),
        "{}",
        read.prelude
    );
}

#[test]
fn tables_of_inputs_and_results_are_tests_each() {
    let table = "inputs = [[1, 'a'], [2, 'b']]\nresults = [1.5, None]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n    ";
    let inner = format!("{table}assertion(candidate(*inp), exp, 1e-06)")
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect::<Vec<_>>()
        .concat();
    let check = format!("import numpy as np\ndef assertion(out, exp, atol): ...\ndef check(candidate):\n{inner}");
    let expected = [
        "f | Value(Int('1')), Value(Str('a')) | Returns(Value(Float('1.5')))",
        "f | Value(Int('2')), Value(Str('b')) | Returns(Value(None))",
    ];
    let of_check = read(&check, Some("f"));
    assert_eq!(of_check.tests.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!((of_check.comparison, of_check.prelude.as_str()), (Comparison::Numeric { tolerance: 1e-6 }, ""));
    let of_module = read(&format!("def assertion(out, exp, atol): ...\n{table}assertion(f(*inp), exp, 0)"), None);
    assert_eq!(of_module.tests.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!(of_module.comparison, Comparison::Exact);
    assert_eq!(lines(&format!("{table}assert f(*inp) == exp"), None), expected);
}

#[test]
fn classes_of_unittest_run_a_method_at_a_time() {
    let source = "import unittest\nclass TestCases(unittest.TestCase):\n    def setUp(self): self.x = 1\n    \
                  def test_a(self): self.assertEqual(f(1), 2)\n    def test_b(self): pass\n";
    let read = read(source, None);
    assert_eq!(line(&read.tests[1]), "lambda: TestCases(\"test_b\").debug() |  | Returns(Value(None))");
    assert_eq!((read.tests.len(), read.prelude.as_str()), (2, source.trim_end()));
}

#[test]
fn what_is_no_test_is_told() {
    for (source, expected) in [
        ("assert f(", "is not Python"),
        ("x = 1", "holds no test"),
        ("def check(candidate):\n    assert candidate(1)", "entry_point is needed"),
        ("for x in y:\n    assert f(x)", "outside of functions"),
    ] {
        let said = of_source(source, None, "").expect_err("refused");
        assert!(said.contains(expected), "{said}");
    }
}
