//! How much of a test set is in the training set already.

use std::collections::{HashMap, HashSet};

use real_datasets::{SolutionKind, Task, structure};
use serde::Serialize;

/// Overlap of two sets of tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// Tasks of the test set.
    pub tasks: usize,
    /// Of these, tasks with a program of their own that can be compared.
    pub with_programs: usize,
    /// Tasks whose prompt is, letter by letter, one of the training set's.
    pub same_prompt: usize,
    /// Tasks with a solution that equals one of the training set's after renaming variables and erasing constants.
    pub same_structure: usize,
    /// Tasks that are either.
    pub known: usize,
    /// Tasks of the same structure by kind of solution.
    pub by_kind: Vec<(&'static str, usize)>,
    /// Some such tasks, each with the training task it equals.
    pub examples: Vec<(String, String)>,
}

/// Most examples given.
const EXAMPLES: usize = 10;

const KINDS: [(SolutionKind, &str); 3] = [
    (SolutionKind::Reference, "reference"),
    (SolutionKind::Secure, "secure"),
    (SolutionKind::Vulnerable, "vulnerable"),
];

impl Leak {
    /// Looks for each test task in the training tasks.
    pub fn between(train: &[Task], test: &[Task]) -> Self {
        let prompts: HashSet<String> = train.iter().map(prompt).collect();
        let mut known: HashMap<(SolutionName, [u8; 32]), &str> = HashMap::new();
        for task in train {
            for (name, digest) in structures(task) {
                known.entry((name, digest)).or_insert(&task.id);
            }
        }
        let mut leak = Self {
            tasks: test.len(),
            with_programs: 0,
            same_prompt: 0,
            same_structure: 0,
            known: 0,
            by_kind: Vec::new(),
            examples: Vec::new(),
        };
        let mut counts: HashMap<SolutionName, usize> = HashMap::new();
        for task in test {
            let programs = structures(task);
            let same_prompt = prompts.contains(&prompt(task));
            leak.same_prompt += usize::from(same_prompt);
            leak.with_programs += usize::from(!programs.is_empty());
            let equal: Vec<(SolutionName, &str)> =
                programs.iter().filter_map(|program| Some((program.0, *known.get(program)?))).collect();
            let kinds: HashSet<SolutionName> = equal.iter().map(|(name, _)| *name).collect();
            for name in kinds {
                *counts.entry(name).or_default() += 1;
            }
            leak.known += usize::from(same_prompt || !equal.is_empty());
            if let Some((_, like)) = equal.first() {
                leak.same_structure += 1;
                if leak.examples.len() < EXAMPLES {
                    leak.examples.push((task.id.clone(), (*like).to_owned()));
                }
            }
        }
        leak.by_kind = KINDS.iter().filter_map(|(_, name)| Some((*name, *counts.get(name)?))).collect();
        leak
    }

    /// Share of the test tasks that equal a training task in prompt or structure of a program; `None` without tasks.
    pub fn share(&self) -> Option<f64> {
        (self.tasks > 0).then(|| self.known as f64 / self.tasks as f64)
    }
}

type SolutionName = &'static str;

/// The task's solutions that can be compared.
fn structures(task: &Task) -> Vec<(SolutionName, [u8; 32])> {
    let name = |kind| KINDS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name);
    task.solutions.iter().filter_map(|solution| Some((name(solution.kind)?, structure(&solution.code)?))).collect()
}

/// What the model is shown.
fn prompt(task: &Task) -> String {
    let messages = task.prompt.iter().map(|message| [message.role.as_str(), message.content.trim()].join("\n"));
    messages.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, prompt: &str, solutions: &[(&str, &str)]) -> Task {
        let solutions: Vec<_> =
            solutions.iter().map(|(kind, code)| serde_json::json!({"kind": kind, "code": code})).collect();
        let prompt = serde_json::json!([{"role": "user", "content": prompt}]);
        let task = serde_json::json!({"id": id, "dataset": "d", "split": "s", "prompt": prompt, "tests": [], "quality": [], "solutions": solutions});
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_test_task_that_was_only_renamed_is_found_with_the_task_it_equals() {
        let train = [
            task(
                "1",
                "add",
                &[("secure", "def add(a, b):\n    return a + b"), ("vulnerable", "def add(a, b):\n    return eval(a)")],
            ),
            task("2", "mul", &[("reference", "print(1 * 2)")]),
        ];
        let test = [
            task(
                "7",
                "sum up",
                &[
                    ("secure", "def total(x, y):\n    return x + y"),
                    ("vulnerable", "def total(x, y):\n    return exec(x)"),
                ],
            ),
            task("8", "mul", &[("reference", "print(3 / 4)")]),
            task("9", "new", &[("secure", "def add(a, b):\n    return eval(a)")]),
            task("10", "none", &[]),
        ];
        let leak = Leak::between(&train, &test);
        assert_eq!((leak.tasks, leak.with_programs, leak.same_prompt, leak.same_structure), (4, 3, 1, 1));
        assert!((leak.share().unwrap() - 0.5).abs() < 1e-12, "the second is known by its prompt");
        assert_eq!(leak.by_kind, [("secure", 1)]);
        assert_eq!(leak.examples, [("7".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_set_of_no_tasks_has_no_share() {
        assert_eq!(Leak::between(&[task("1", "p", &[])], &[]).share(), None);
    }
}
