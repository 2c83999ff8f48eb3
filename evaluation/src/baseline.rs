//! Programs that do no work, to see what each earns: a verdict that one of them reaches says nothing about an answer.

use real_datasets::Task;
use real_sandbox_api::Check;

/// Name of a baseline, and its program for a task.
pub type Baseline = (&'static str, fn(&Task) -> String);

/// The baseline that is the emptiest program there is.
pub const NOTHING: &str = "nothing";

/// Every baseline.
pub const BASELINES: [Baseline; 9] = [
    (NOTHING, |_| "pass".into()),
    ("raise at import", |_| "raise ValueError(\"invalid\")".into()),
    ("exit at import", |_| "import sys\n\nsys.exit()".into()),
    ("print the input", |_| "import sys\n\nprint(sys.stdin.read())".into()),
    ("return the argument", |task| define(task, "return args[0] if args else next(iter(kwargs.values()), None)")),
    ("return None", |task| define(task, "return None")),
    ("return True", |task| define(task, "return True")),
    ("return an empty text", |task| define(task, "return \"\"")),
    ("raise when called", |task| define(task, "raise ValueError(\"invalid\")")),
];

/// A function, or a method, of the name that the task calls; a task that calls nothing gets a program without it.
fn define(task: &Task, body: &str) -> String {
    let entry = task.tests.iter().find_map(|test| match &test.check {
        Check::Call { entry, .. } => Some(entry.as_str()),
        Check::Stdin { .. } | Check::SqlInjection { .. } => None,
    });
    let Some(entry) = entry else { return format!("def solve(*args, **kwargs):\n    {body}") };
    let called =
        entry.strip_prefix("lambda").and_then(|rest| rest.split_once(':')).map_or(entry, |(_, body)| body).trim();
    let name = |text: &str| text.split(['(', '[']).next().unwrap_or_default().trim().to_owned();
    match called.split_once(").") {
        Some((class, method)) => {
            format!("class {}:\n    def {}(self, *args, **kwargs):\n        {body}", name(class), name(method))
        }
        None => format!("def {}(*args, **kwargs):\n    {body}", name(called)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_define_what_the_task_calls() {
        let program = |entry: &str| {
            let test = serde_json::json!({"kind": "call", "entry": entry, "expected": {"raises": ["E"]}});
            let task = serde_json::json!({"id": "1", "dataset": "d", "split": "s", "prompt": [], "tests": [test], "quality": []});
            define(&serde_json::from_value(task).unwrap(), "return 1")
        };
        assert_eq!(program("solve"), "def solve(*args, **kwargs):\n    return 1");
        assert_eq!(program("lambda kwargs: solve(**kwargs)"), program("solve"));
        assert!(program("Solution().add").starts_with("class Solution:\n    def add(self,"));
    }
}
