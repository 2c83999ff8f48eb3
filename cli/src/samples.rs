//! `real samples`: what the model wrote in a run, and what was thought of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use real_reward::Scored;
use real_terminal::{OrRefused as _, Stream, colours, count, exit, harmless, is_open, outln};
use serde::Deserialize;

use crate::ui::fixed;

/// Arguments of `real samples`.
#[derive(Debug, clap::Args)]
pub struct SamplesArgs {
    /// The run directory, for example runs/quickstart
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
    /// The step to show [default: the last one]
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// Only answers to this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Only answers with a finding of this CWE number
    #[arg(long, value_name = "NUMBER")]
    cwe: Option<u32>,
    /// Only answers that do not pass every test
    #[arg(long)]
    failed: bool,
    /// Only answers that could not be scored
    #[arg(long)]
    dropped: bool,
    /// Show the prompts, too
    #[arg(long)]
    prompts: bool,
    /// Answers to show, 0 for all
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// A line of `samples/step-N.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    dataset: String,
    task: String,
    prompt: String,
    response: String,
    finished: bool,
    #[serde(default)]
    scored: Option<Box<Scored>>,
    #[serde(default)]
    dropped: Option<String>,
}

impl SamplesArgs {
    fn wants(&self, sample: &Sample) -> bool {
        let scored = sample.scored.as_deref();
        self.task.as_ref().is_none_or(|task| *task == sample.task)
            && (!self.dropped || sample.dropped.is_some())
            && (!self.failed || scored.is_some_and(|scored| !scored.function_all))
            && self.cwe.is_none_or(|cwe| scored.is_some_and(|scored| scored.findings.iter().any(|f| f.cwe == cwe)))
    }
}

/// Shows the answers of one step.
///
/// # Errors
/// There is no such run or step, or its file is damaged.
pub fn run(args: &SamplesArgs) -> anyhow::Result<ExitCode> {
    if !args.run_dir.is_dir() {
        return Err(anyhow!("there is no run directory {}", args.run_dir.display())).or_refused();
    }
    let steps = steps(&args.run_dir);
    let step = args.step.or_else(|| steps.last().copied());
    let Some(step) = step.filter(|step| steps.contains(step)) else {
        let there = match (steps.first(), steps.last()) {
            (Some(only), Some(last)) if only == last => format!("there are samples of step {only} alone"),
            (Some(first), Some(last)) => {
                format!("there are samples of {}, {first} to {last}", count(steps.len(), "step"))
            }
            _ => "it holds no samples/step-N.jsonl; give a run directory, for example runs/quickstart".to_owned(),
        };
        let wanted = args.step.map_or_else(|| "no samples".to_owned(), |step| format!("no samples of step {step}"));
        return Err(anyhow!("{wanted} in {}: {there}", args.run_dir.display())).or_refused();
    };
    let path = file(&args.run_dir, step);
    let lines = BufReader::new(File::open(&path).with_context(|| format!("cannot read {}", path.display()))?).lines();
    let (mut all, mut fitting, mut shown) = (0, 0, 0);
    for (index, line) in lines.enumerate() {
        let place = || format!("{}, line {}", path.display(), index + 1);
        let sample: Sample = serde_json::from_str(&line.with_context(place)?)
            .with_context(|| format!("{} is no sample of a run", place()))
            .or_refused()?;
        all += 1;
        if !args.wants(&sample) {
            continue;
        }
        fitting += 1;
        if (args.limit == 0 || shown < args.limit) && is_open() {
            shown += 1;
            outln!("{}", page(&sample, step, args.prompts, colours(Stream::Output)));
        }
    }
    outln!(
        "step {step}: {shown} of {fitting} answers shown{}",
        if fitting == all { String::new() } else { format!(", of {all} in all") }
    );
    Ok(exit::DONE.into())
}

fn file(run_dir: &Path, step: u64) -> PathBuf {
    run_dir.join("samples").join(format!("step-{step}.jsonl"))
}

/// Steps that have samples, in order.
fn steps(run_dir: &Path) -> Vec<u64> {
    let entries = fs::read_dir(run_dir.join("samples")).into_iter().flatten().flatten();
    let number =
        |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("step-")?.strip_suffix(".jsonl")?.parse().ok();
    let mut steps: Vec<u64> = entries.filter_map(number).collect();
    steps.sort_unstable();
    steps
}

/// One answer. What the model wrote cannot move the cursor.
fn page(sample: &Sample, step: u64, prompts: bool, colour: bool) -> String {
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let name = harmless(&format!("{} {}", sample.dataset, sample.task));
    let verdict = match (&sample.scored, &sample.dropped) {
        (Some(scored), _) => {
            let (reward, quality) = (fixed(scored.reward, 3), fixed(scored.quality, 0));
            let note = match (scored.no_code, scored.runnable, &scored.unanalysed) {
                (true, ..) => ", no code block".to_owned(),
                (_, false, _) => ", does not run".to_owned(),
                (.., Some(why)) => format!(", {}", harmless(&why.to_string())),
                _ => String::new(),
            };
            format!("reward {reward}: quality {quality}, function {}{note}", fixed(scored.function, 2))
        }
        (None, dropped) => format!("dropped: {}", harmless(dropped.as_deref().unwrap_or("no reason is given"))),
    };
    let cut = if sample.finished { "" } else { ", cut off at its longest" };
    let mut text = paint("1", &format!("── step {step}, {name}: {verdict}{cut}")) + "\n";
    if prompts {
        sample.prompt.lines().for_each(|line| text = std::mem::take(&mut text) + "  > " + &harmless(line) + "\n");
    }
    let scored = sample.scored.as_deref();
    let program = scored.and_then(|scored| scored.program.as_deref()).unwrap_or(&sample.response);
    for (index, line) in program.lines().enumerate() {
        let _ = writeln!(text, "{:>5}  {}", index + 1, harmless(&line.replace('\t', "    ")));
        let here = scored.iter().flat_map(|scored| &scored.findings).filter(|found| found.line as usize == index + 1);
        for finding in here {
            let before: String = line.chars().take(finding.column.saturating_sub(1) as usize).collect();
            let indent = real_terminal::text_width(&harmless(&before.replace('\t', "    ")));
            let said = format!("^ CWE-{} {}: {}", finding.cwe, harmless(&finding.rule), harmless(&finding.message));
            let _ = writeln!(text, "{:>5}  {:indent$}{}", "", "", paint("31", &said));
        }
    }
    if let Some(scored) = scored {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for verdict in &scored.verdicts {
            *counts.entry(format!("{:?}", verdict.status)).or_default() += 1;
        }
        let counts: Vec<String> = counts.into_iter().map(|(status, count)| format!("{count} {status}")).collect();
        if !counts.is_empty() {
            let _ = writeln!(text, "  tests: {}", counts.join(", "));
        }
        for error in scored.types.iter().flat_map(|types| &types.errors) {
            let _ = writeln!(text, "  types: {}:{} {}", error.line, error.column, harmless(&error.message));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(more: &serde_json::Value) -> Sample {
        let mut line = serde_json::json!({
            "dataset": "d", "task": "t-1", "prompt": "Do it.", "response": "x\u{1b}[2J", "finished": true,
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(line).unwrap()
    }

    fn scored() -> Sample {
        let timings = serde_json::to_value(real_reward::Timings::default()).unwrap();
        sample(&serde_json::json!({"scored": {
            "reward": 0.5, "quality": 0.0, "function": 1.0, "functionAll": true, "noCode": false, "runnable": true,
            "program": "import os\nos.system(name)\n", "verdicts": [], "timings": timings,
            "findings": [{"cwe": 78, "rule": "r", "line": 2, "column": 11, "message": "m", "trace": []}],
        }}))
    }

    #[test]
    fn a_finding_stands_under_its_line() {
        let page = page(&scored(), 3, false, false);
        assert!(page.starts_with("── step 3, d t-1: reward 0.500: quality 0, function 1.00\n"), "{page}");
        assert!(page.contains("    2  os.system(name)\n                 ^ CWE-78 r: m\n"), "{page}");
    }

    #[test]
    fn what_a_model_wrote_cannot_move_the_cursor() {
        let page = page(&sample(&serde_json::json!({"dropped": "late"})), 1, true, false);
        assert!(page.contains("dropped: late") && page.contains("  > Do it.") && !page.contains('\u{1b}'), "{page}");
    }

    #[test]
    fn a_step_without_samples_is_named_with_those_that_have_some() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        for step in [2, 10] {
            fs::write(file(folder.path(), step), "").unwrap();
        }
        let args = SamplesArgs {
            run_dir: folder.path().to_owned(),
            step: Some(3),
            task: None,
            cwe: None,
            failed: false,
            dropped: false,
            prompts: false,
            limit: 10,
        };
        let error = run(&args).unwrap_err().to_string();
        assert!(error.contains("step 3") && error.contains("2 steps, 2 to 10"), "{error}");
        assert!(run(&SamplesArgs { step: None, ..args }).is_ok());
    }
}
