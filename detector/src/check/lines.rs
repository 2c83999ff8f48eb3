//! `--jsonl`: a program a line, an answer a line.

use std::io::BufRead;
use std::process::ExitCode;

use anyhow::Context;
use real_detector::judge::Judge;
use real_detector_api::{Analysis, AnalysisError, Checks, Finding, Program, TypesVerdict};
use real_terminal::{exit, outln};
use serde::Serialize;
use serde_json::{Value, json};

/// Answers every line in order. A line that is no program has an answer of its own, and spoils no other.
pub(super) fn run(judge: &Judge, checks: &Checks) -> anyhow::Result<ExitCode> {
    let mut refused = 0;
    for (index, line) in std::io::stdin().lock().split(b'\n').enumerate() {
        let line = line.context("cannot read standard input")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = match parse(&line) {
            Ok((id, code)) => serde_json::to_string(&answer(id, code, judge, checks))?,
            Err((id, message)) => {
                refused += 1;
                json!({"id": id, "line": index + 1, "error": {"kind": "invalid_line", "message": message}}).to_string()
            }
        };
        outln!("{answer}");
        if !real_terminal::is_open() {
            return Ok(exit::DONE.into());
        }
    }
    Ok(if refused == 0 { exit::DONE } else { exit::REFUSED }.into())
}

/// What is said of a program.
#[derive(Serialize)]
struct Answer {
    id: Value,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<TypesVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<AnalysisError>,
}

fn answer(id: Value, code: String, judge: &Judge, checks: &Checks) -> Answer {
    let Analysis { findings, types, error, .. } = judge.judge(Program { id: String::new(), code }, checks);
    Answer { id, findings, types, error }
}

/// Id and code of a line; where it has none, the id as far as it is known, and why.
fn parse(line: &[u8]) -> Result<(Value, String), (Value, String)> {
    let text = str::from_utf8(line).map_err(|error| (Value::Null, format!("is not UTF-8: {error}")))?;
    let object: Value = serde_json::from_str(text).map_err(|error| {
        // A lone surrogate is legal JSON and no text; the rest of the line can be read all the same.
        let rest = without_surrogates(text).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        match rest.and_then(|rest| rest.get("id").cloned()) {
            Some(id) => (id, "holds a lone surrogate (\\ud800 to \\udfff), which no Python source can".to_owned()),
            None => (Value::Null, format!("is not JSON: {error}")),
        }
    })?;
    match (object.get("id"), object.get("code").and_then(Value::as_str)) {
        (Some(id), Some(code)) => Ok((id.clone(), code.to_owned())),
        (id, _) => {
            let id = id.cloned().unwrap_or_default();
            Err((id, "must be an object with `id` and a text `code`".to_owned()))
        }
    }
}

/// The text with every `\ud…` escape replaced; `None` where there is none.
fn without_surrogates(text: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        changed.push_str(before);
        let surrogate = escape.get(..6).is_some_and(|escape| escape[..3].eq_ignore_ascii_case("\\ud"));
        // An escape is at least two characters; what follows a backslash may be another one.
        let length = if surrogate { 6 } else { 1 + escape.chars().nth(1).map_or(0, char::len_utf8) };
        changed.push_str(if surrogate { "?" } else { &escape[..length] });
        found |= surrogate;
        rest = &escape[length..];
    }
    changed.push_str(rest);
    found.then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_is_named_with_the_id_of_its_line() {
        let (id, message) = parse(br#"{"id": 7, "code": "x = '\ud800'"}"#).unwrap_err();
        assert_eq!(id, 7);
        assert!(message.contains("lone surrogate"), "{message}");
        assert!(parse(br#"{"id": 7, "code": "x = '\ud83d\ude00'"}"#).unwrap().1.contains('😀'));
        // A backslash before the u, and no escape.
        assert_eq!(parse(br#"{"id": 7, "code": "\\ud800"}"#).unwrap().1, "\\ud800");
    }

    #[test]
    fn what_is_no_program_is_told_apart() {
        for (line, expected) in [
            (&b"nonsense"[..], "is not JSON"),
            (b"\xff", "is not UTF-8"),
            (b"[]", "must be an object"),
            (br#"{"id": 1, "code": 2}"#, "must be an object"),
        ] {
            assert!(parse(line).unwrap_err().1.contains(expected), "{line:?}");
        }
    }
}
