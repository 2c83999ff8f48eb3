//! What we read from a YAML file is what `kubectl` would send to a cluster; where the two differ we refuse the file.

use std::process::Command;

use real_crds::validate::documents;
use real_test_kube::{Output, programs};
use serde_json::Value;

/// Values as they may be written, without quotes and with.
const VALUES: &str = "yes no on off Yes NO y n True TRUE tRUE yEs ~ null Null NULL nUll 010 0o10 0x1F 0X1F 0b101 -0b11 1_000 1_0.5 1__0 1_ +5 -5 \
                      5. .5 -.5 1e3 1E3 1.e3 1e+3 6.02e23 12:30 1:2:3 2001-01-01 2024_01_01 08 00 007 0 -0 0.10 1e-3 3.0e-4 1.0 16.0 -0.0 1e15 \
                      9223372036854775807 0x 0o8 1e + = _1 0_8 0x_1F +0x1F -0o10 +.5 infinity NaN nan 1.5e3 '5' '010' \"\\x41\" 1k 80Gi 0.5Gi \
                      100m 1#c a#b 50% ${HOME} $(VAR) s3://a/b C:\\x “abc” 😀 !!str";

/// Ways of writing objects and files.
const FILES: &[&str] = &[
    "a: &x {p: 1, q: 2}\n  b: {<<: *x, q: 3}",
    "a: &x {p: 1, q: 2}\n  b: {q: 3, <<: *x}",
    "a: &x {p: 1}\n  c: &z {p: 2, r: 3}\n  b: {<<: [*x, *z]}",
    "a: &x {p: 1}\n  c: &z {p: 2, r: 3}\n  b:\n    <<: *x\n    <<: *z",
    "a: &x {p: {m: 1}}\n  b: {<<: *x, p: {k: 3}}",
    "b:\n    <<: {p: 1}\n    q: 2",
    "a: &x 5\n  b:\n    <<: *x",
    "a: &x p\n  b: {*x : 1}",
    "a: {1: x, 1.5: x, 2001-01-01: x}",
    "a: {on: x}",
    "a: {n: x}",
    "a: {true: x}",
    "a: {010: x}",
    "a: {~: x}",
    "a: {{ .Values.x }}",
    "? a\n  : b",
    "a: {b, c}",
    "a: [b, c,]",
    "a: |\n    b\n    ---\n    c",
    "a: >-\n    b\n    c\n\n  d: |+\n    e\n\n",
    "a: b\n    c",
    "a: 'it''s'\n  b: \"\\u00e9\\t\"",
    "a:\n  - b\n  -   c: d\n      e: f",
    "a: 1\n...\n",
    "a: 1\n---\n",
    "a: 1\n--- {apiVersion: v1, kind: A, metadata: {name: b}}",
    "a: 1\n--- # next\napiVersion: v1\nkind: A\nmetadata: {name: b}\nspec: {c: 1}",
    "a: 1\n  a: 2",
    "a: .inf",
    "a:\t1",
];

/// The specifications of the objects that `kubectl` reads.
fn read_by_kubectl(text: &str) -> Result<Vec<Value>, String> {
    let program = programs::folder().expect("kubectl is built").join("kubectl");
    let mut command = Command::new(program);
    command.args(["label", "--local", "-f", "-", "a=b", "-o", "json"]);
    let output = Output::of(command, Some(text));
    if !output.success {
        return Err(output.stderr);
    }
    let objects = serde_json::Deserializer::from_str(&output.stdout).into_iter::<Value>();
    Ok(objects.map(|object| object.expect("JSON")["spec"].take()).collect())
}

fn file(spec: &str) -> String {
    format!("apiVersion: real-rl.dev/v1alpha1\nkind: RealTrainingJob\nmetadata: {{name: a}}\nspec:\n  {spec}\n")
}

fn read_by_us(text: &str) -> Option<Vec<Value>> {
    let read = documents(text, "a.yaml").ok()?;
    // kubectl passes over documents that hold nothing.
    Some(read.into_iter().filter(|object| !object.is_null()).map(|mut object| object["spec"].take()).collect())
}

#[test]
fn a_value_is_for_kubectl_what_it_is_for_us() {
    let taken: Vec<String> = VALUES
        .split_whitespace()
        .map(|value| format!("- {value}"))
        .filter(|item| read_by_us(&file(&format!("v:\n  {item}"))).is_some())
        .collect();
    let text = file(&format!("v:\n  {}", taken.join("\n  ")));
    let (theirs, ours) = (read_by_kubectl(&text).expect("kubectl reads it"), read_by_us(&text).expect("each was read"));
    let items = |read: &[Value]| read[0]["v"].as_array().expect("a list").clone();
    for ((item, theirs), ours) in taken.iter().zip(items(&theirs)).zip(items(&ours)) {
        // Beyond 64 bits both round, and write the same number in two ways.
        let same = theirs == ours || (theirs.is_f64() && theirs.as_f64() == ours.as_f64());
        assert!(same, "{item}: {theirs} for kubectl, {ours} for us");
    }
    assert!(taken.len() > 60, "most of them are read: {taken:?}");
}

#[test]
fn an_object_is_for_kubectl_what_it_is_for_us() {
    let crlf = file("a: |\n    b\n    c\n  d: 1").replace('\n', "\r\n");
    let marked = format!("\u{feff}{}", file("a: 1"));
    let json = r#"{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"a": 1.0, "b": "\u00e9"}}"#;
    let directive = format!("%YAML 1.1\n---\n{}", file("a: yes"));
    let whole = [crlf, marked, json.to_owned(), directive];
    let mut alike = 0;
    for text in FILES.iter().map(|spec| file(spec)).chain(whole) {
        if let Some(ours) = read_by_us(&text) {
            let theirs = read_by_kubectl(&text);
            assert_eq!(theirs.as_ref(), Ok(&ours), "in\n{text}");
            alike += 1;
        }
    }
    assert!(alike > 18, "only {alike} of them are read");
}
