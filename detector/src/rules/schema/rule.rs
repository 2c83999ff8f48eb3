//! A rule.

use serde::Deserialize;

use super::calls::{CallModel, GuardModel, SourceModel};
use super::obligations::{ConstantModel, ObligationModel};
use super::sinks::{Anywhere, LeaveModel, RegexModel, SinkModel};

/// A rule: what may not flow where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in findings.
    pub id: String,
    /// CWE number of its findings.
    pub cwe: u32,
    /// Other CWE numbers under which it is asked for: above or below its own in the catalogue.
    #[serde(default)]
    pub also: Vec<u32>,
    /// One line.
    pub title: String,
    /// What the rule looks for.
    pub what: String,
    /// What can happen.
    pub why: String,
    /// Sentence of a finding.
    pub message: String,
    /// Programs that must be found.
    pub bad: Vec<String>,
    /// Programs that must not be found.
    pub good: Vec<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// What an attacker says, beyond what the library models list.
    #[serde(default)]
    pub sources: Vec<SourceModel>,
    /// Where it must not arrive.
    #[serde(default)]
    pub sinks: Vec<SinkModel>,
    /// Text that must not leave the program.
    #[serde(default)]
    pub leaves: Vec<LeaveModel>,
    /// Calls whose constant arguments must not be what they are.
    #[serde(default)]
    pub constants: Vec<ConstantModel>,
    /// What must be tested before something is done.
    #[serde(default)]
    pub obligations: Vec<ObligationModel>,
    /// Where regular expressions are applied to texts.
    #[serde(default)]
    pub regexes: Vec<RegexModel>,
    /// Text of a language that is handed to a call which nothing is known about.
    #[serde(default)]
    pub anywhere: Option<Anywhere>,
    /// Whether values count of which the program does not show who chooses them.
    #[serde(default)]
    pub unknown: bool,
    /// What makes it harmless, beyond what the library models list.
    #[serde(default)]
    pub sanitizers: Vec<CallModel>,
    /// Tests that make it harmless, beyond what the library models list.
    #[serde(default)]
    pub guards: Vec<GuardModel>,
}

impl Rule {
    /// Whether the rule is asked for, where `wanted` says it of CWE numbers.
    pub fn is_wanted(&self, wanted: &dyn Fn(u32) -> bool) -> bool {
        wanted(self.cwe) || self.also.iter().any(|cwe| wanted(*cwe))
    }
}
