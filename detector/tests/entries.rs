//! Example calls say nothing about who else calls: a program with them has the findings of the one without.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use real_detector::{Options, analyze, syntax};
use ruff_python_ast::{Parameters, Stmt};

/// Function and number of arguments it needs, for all that a program defines at its top level.
fn callables(code: &str) -> Vec<(String, usize)> {
    let needed = |parameters: &Parameters, skip: usize| {
        let plain = parameters.posonlyargs.iter().chain(&parameters.args);
        plain.filter(|parameter| parameter.default.is_none()).count().saturating_sub(skip)
    };
    let mut found = vec![];
    for statement in &syntax::parse(code).expect("programs of the data are Python").body {
        match statement {
            Stmt::FunctionDef(function) => found.push((function.name.to_string(), needed(&function.parameters, 0))),
            Stmt::ClassDef(class) => {
                let methods = class.body.iter().filter_map(Stmt::as_function_def_stmt);
                let make = methods.clone().find(|method| &method.name == "__init__");
                let made = vec!["'1'"; make.map_or(0, |method| needed(&method.parameters, 1))].join(", ");
                for method in methods.filter(|method| !method.name.starts_with('_')) {
                    found.push((format!("{}({made}).{}", class.name, method.name), needed(&method.parameters, 1)));
                }
            }
            _ => {}
        }
    }
    found
}

/// Ways to call what a program defines, with nothing but constants.
const FORMS: [(&str, &str); 9] = [
    ("a print", "print(CALL)\n"),
    ("a main guard", "if __name__ == '__main__':\n    RESULT = CALL\n    print(RESULT)\n"),
    ("an assertion", "assert CALL is not None\n"),
    ("a main function", "def main() -> None:\n    print(CALL)\n\nmain()\n"),
    (
        "a unittest class",
        "import unittest\n\nclass Examples(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(CALL, '1')\n",
    ),
    ("a doctest", "'''\n>>> CALL\n'1'\n'''\n"),
    ("a try", "try:\n    CALL\nexcept Exception as error:\n    print(error)\n"),
    ("two calls", "first = CALL\nsecond = CALL\n"),
    ("a private helper", "def _example():\n    return CALL\n\n_example()\n"),
];

/// A program with calls of all it defines appended.
fn with_examples(code: &str, form: &str) -> String {
    let mut text = code.trim_end().to_owned() + "\n\n";
    for (name, count) in callables(code) {
        let call = format!("{name}({})", vec!["'1'"; count].join(", "));
        writeln!(text, "{}", form.replace("CALL", &call)).expect("a String can be written");
    }
    text
}

fn findings(code: &str) -> BTreeSet<(u32, u32, String)> {
    let found = analyze(code, &Options::default()).unwrap_or_else(|error| panic!("{}\n{code}", error.message));
    found.into_iter().map(|finding| (finding.line, finding.cwe, finding.rule)).collect()
}

fn rows(file: &str) -> Vec<Row> {
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = folder.join(file);
    let Ok(open) = std::fs::File::open(&path) else {
        println!("skipped: no {} (set REAL_DATA_DIR)", path.display());
        return vec![];
    };
    let reader = SerializedFileReader::new(open).expect("parquet");
    reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect()
}

/// The text of a field, by its path.
fn text(row: &Row, path: &[&str]) -> String {
    let (name, rest) = path.split_first().expect("a field is named");
    let (_, field) = row.get_column_iter().find(|(own, _)| own == name).expect("a field of the data set");
    match field {
        Field::Str(text) => text.clone(),
        Field::Group(row) => text(row, rest),
        _ => String::new(),
    }
}

/// Programs of SecCodePLT+: as a detector sees them, without what their tests set up.
fn pairs() -> Vec<(String, String)> {
    let part = |row: &Row, name: &str| text(row, &["ground_truth", name]);
    let whole = |row: &Row, name: &str| [part(row, "code_before"), part(row, name), part(row, "code_after")].join("\n");
    rows("seccodeplt-train.parquet")
        .iter()
        .map(|row| (whole(row, "vulnerable_code"), whole(row, "patched_code")))
        .collect()
}

#[test]
fn findings_of_vulnerable_programs_stay_and_patched_ones_get_none_where_examples_are_appended() {
    let (mut vulnerable, mut patched, mut lost, mut gained) = (0, 0, vec![], vec![]);
    for (number, (before, after)) in pairs().into_iter().enumerate() {
        // Every program with one form; all forms come around.
        let (name, form) = FORMS[number % FORMS.len()];
        let found = findings(&before);
        if !found.is_empty() {
            vulnerable += 1;
            let still = findings(&with_examples(&before, form));
            if !found.is_subset(&still) {
                lost.push((number, name));
            }
        }
        let (found, still) = (findings(&after), findings(&with_examples(&after, form)));
        patched += u32::from(!found.is_empty());
        if !still.is_subset(&found) {
            gained.push((number, name));
        }
    }
    println!("found: {vulnerable} vulnerable, {patched} patched; {} lost, {} gained", lost.len(), gained.len());
    assert!(lost.is_empty(), "{} of {vulnerable} lost: {lost:?}", lost.len());
    assert!(gained.is_empty(), "{} patched programs with new findings: {gained:?}", gained.len());
}

#[test]
fn findings_of_sql_programs_stay_where_examples_are_appended() {
    let mut lost = vec![];
    for (number, row) in rows("safesql-train.parquet").iter().enumerate() {
        let code = text(row, &["execute_sql"]);
        let (name, form) = FORMS[number % FORMS.len()];
        if !findings(&code).is_subset(&findings(&with_examples(&code, form))) {
            lost.push((number, name));
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}
