//! The program: its exit codes and what it prints, against a sandbox without walls.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

struct Naive {
    process: Child,
    url: String,
}

impl Naive {
    fn start() -> Self {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/naive.py");
        let mut process = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().expect("python3");
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut url).expect("its address");
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(url: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_real-sandbox-attacks"));
    program.args(["--url", url]).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_holds_is_0_what_gets_through_is_1_and_what_cannot_be_run_is_2() {
    let naive = Naive::start();
    // The client compares, so lies about values come to nothing even here.
    let held = run(&naive.url, &["--attack", "equality-liar", "--attack", "threads-and-processes"]);
    assert_eq!(held.status.code(), Some(0), "{}{}", text(&held.stdout), text(&held.stderr));
    assert!(text(&held.stdout).contains("2 held, 0 got through, 0 skipped"), "{}", text(&held.stdout));

    let through = run(&naive.url, &["--kind", "look", "--attack", "look-at-other-processes"]);
    assert_eq!(through.status.code(), Some(1), "{}{}", text(&through.stdout), text(&through.stderr));
    assert!(text(&through.stdout).contains("look-at-other-processes[0] by run_code"), "{}", text(&through.stdout));

    for wrong in [&["--route", "batch"][..], &["--attack", "no-such-attack"]] {
        let none = run(&naive.url, wrong);
        assert_eq!(none.status.code(), Some(2), "{wrong:?}: {}{}", text(&none.stdout), text(&none.stderr));
        assert!(text(&none.stderr).contains("error: "), "{}", text(&none.stderr));
    }
    drop(naive);
}

#[test]
fn a_program_can_read_what_came_of_it() {
    let naive = Naive::start();
    let output = run(&naive.url, &["--format", "json", "--attack", "raise-at-import"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["held"].as_u64(), report["gotThrough"].as_u64()), (Some(1), Some(0)), "{report}");
    let attack = &report["attacks"][0];
    assert_eq!((&attack["kind"], &attack["route"]), (&"raise".into(), &"run_code".into()), "{report}");
    assert_eq!(attack["results"].as_array().map(Vec::len), Some(4), "{report}");
}
