//! A task's attacks as safety tests.

use real_sandbox_api::{Check, Exchange, Group, Test};

use crate::Task;

/// The weakness whose attacks can be judged: SQL injection.
const SQL_INJECTION: u32 = 89;

/// Adds a safety test for each attack of a task about SQL injection that has attacks and no safety test. Each brings an
/// ordinary test along, so that a program which does nothing withstands no attack.
pub(crate) fn become_tests(task: &mut Task) {
    let safety = task.tests.iter().any(|test| test.group == Group::Safety);
    if safety || !task.cwes.contains(&SQL_INJECTION) {
        return;
    }
    let tests: Vec<Test> = task
        .attacks
        .iter()
        .enumerate()
        .filter_map(|(index, attack)| {
            let ordinary = ordinary(&task.tests, attack)?;
            let check = Check::SqlInjection { stdin: attack.clone(), ordinary };
            Some(Test { name: Some(format!("attack-{index}")), group: Group::Safety, check })
        })
        .collect();
    task.tests.extend(tests);
}

/// The first test that expects output and has as many lines of input as the attack, or the first that expects output: what
/// several attacks share is run once for all of them.
fn ordinary(tests: &[Test], attack: &str) -> Option<Exchange> {
    let exchanges = || {
        tests.iter().filter_map(|test| match &test.check {
            Check::Stdin { stdin, stdout } if !stdout.trim().is_empty() => Some((stdin, stdout)),
            _ => None,
        })
    };
    let lines = attack.lines().count();
    let (stdin, stdout) =
        exchanges().find(|(stdin, _)| stdin.lines().count() == lines).or_else(|| exchanges().next())?;
    Some(Exchange { stdin: stdin.clone(), stdout: stdout.clone() })
}
