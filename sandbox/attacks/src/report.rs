//! What the attacks came to.

use std::fmt;

use real_sandbox_api::{Status, TestResult};

/// All attacks, in the order in which they ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each attack.
    pub outcomes: Vec<Outcome>,
}

/// One attack, and the honest program after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Name of the attack.
    pub name: String,
    /// What the sandbox said of each test.
    pub results: Vec<TestResult>,
    /// What it may say of each.
    pub allowed: Vec<Vec<Status>>,
    /// What it said of the honest program, which has to pass.
    pub honest: Vec<TestResult>,
}

impl Report {
    /// What went wrong, a sentence each; empty where the sandbox held.
    pub fn wrong(&self) -> Vec<String> {
        self.outcomes.iter().flat_map(Outcome::wrong).collect()
    }
}

impl Outcome {
    /// What went wrong, a sentence each.
    pub fn wrong(&self) -> Vec<String> {
        let name = &self.name;
        let mut wrong = Vec::new();
        if self.results.len() != self.allowed.len() {
            wrong.push(format!("{name}: {} results for {} tests", self.results.len(), self.allowed.len()));
        }
        for (result, allowed) in self.results.iter().zip(&self.allowed) {
            if !allowed.contains(&result.status) {
                let TestResult { name: test, status, detail, .. } = result;
                wrong.push(format!("{name}[{test}]: {status:?} ({detail}), allowed {allowed:?}"));
            }
        }
        if self.honest.is_empty() {
            wrong.push(format!("after {name} an honest program got no result"));
        }
        for result in self.honest.iter().filter(|result| result.status != Status::Passed) {
            wrong.push(format!("after {name} an honest program got {:?} ({})", result.status, result.detail));
        }
        wrong
    }
}

/// An attack a line: its name, the verdicts, and `WRONG` where one is not allowed.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let statuses: Vec<_> = outcome.results.iter().map(|result| result.status).collect();
            let mark = if outcome.wrong().is_empty() { "" } else { "  WRONG" };
            writeln!(formatter, "{:<28} {statuses:?}{mark}", outcome.name)?;
        }
        Ok(())
    }
}
