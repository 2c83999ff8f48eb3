//! `real-detector`: findings and type errors of Python programs.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use real_detector::{Options, analyze};
use serde_json::json;

fn main() -> ExitCode {
    let stdin = std::io::stdin();
    let mut out = std::io::stdout().lock();
    for line in stdin.lock().lines().map_while(Result::ok) {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let result = analyze(value["code"].as_str().unwrap_or(""), &Options::default());
        let answer = match result {
            Ok(findings) => json!({"id": value["id"], "findings": findings}),
            Err(error) => json!({"id": value["id"], "findings": [], "error": error}),
        };
        if writeln!(out, "{answer}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
