//! What the attacks came to.

use std::fmt;

use real_sandbox_api::Status;
use serde::Serialize;

use crate::{Kind, Route, Verdict};

/// All attacks, in the order in which they ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each attack and route.
    pub outcomes: Vec<Outcome>,
}

/// One attack by one route, and the honest program after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Name of the attack.
    pub name: &'static str,
    /// What it is after.
    pub kind: Kind,
    /// How it was sent.
    pub route: Route,
    /// What became of each test.
    pub results: Vec<Verdict>,
    /// What may become of each.
    pub allowed: Vec<Vec<Status>>,
    /// What became of the honest program, which has to pass.
    pub honest: Vec<Verdict>,
    /// Why it was not run: this route has no words for it.
    pub skipped: Option<String>,
    /// Why there is no answer, where the sandbox is still there.
    pub no_answer: Option<String>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            name: "",
            kind: Kind::Honest,
            route: Route::Batch,
            results: Vec::new(),
            allowed: Vec::new(),
            honest: Vec::new(),
            skipped: None,
            no_answer: None,
        }
    }
}

impl Report {
    /// What went wrong, a sentence each; empty where the sandbox held.
    pub fn wrong(&self) -> Vec<String> {
        self.outcomes.iter().flat_map(Outcome::wrong).collect()
    }

    /// Outcomes that held, that got through, and that were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let skipped = self.outcomes.iter().filter(|outcome| outcome.skipped.is_some()).count();
        let through = self.outcomes.iter().filter(|outcome| !outcome.wrong().is_empty()).count();
        (self.outcomes.len() - skipped - through, through, skipped)
    }

    /// For programs that read it.
    pub fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Row<'a> {
            attack: &'a str,
            kind: Kind,
            route: Route,
            held: bool,
            results: &'a [Verdict],
            #[serde(skip_serializing_if = "Option::is_none")]
            skipped: Option<&'a str>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            wrong: Vec<String>,
        }
        let rows = self.outcomes.iter().map(|outcome| {
            let wrong = outcome.wrong();
            Row {
                attack: outcome.name,
                kind: outcome.kind,
                route: outcome.route,
                held: wrong.is_empty() && outcome.skipped.is_none(),
                results: &outcome.results,
                skipped: outcome.skipped.as_deref(),
                wrong,
            }
        });
        let (held, through, skipped) = self.counts();
        serde_json::json!({ "held": held, "gotThrough": through, "skipped": skipped, "attacks": rows.collect::<Vec<_>>() })
    }
}

impl Outcome {
    /// What went wrong, a sentence each.
    pub fn wrong(&self) -> Vec<String> {
        let Self { name, route, .. } = self;
        let mut wrong = Vec::new();
        if self.skipped.is_some() {
            return wrong;
        }
        if let Some(why) = &self.no_answer {
            wrong.push(format!("{name} by {route}: no answer: {why}"));
        } else if self.results.len() != self.allowed.len() {
            wrong.push(format!("{name} by {route}: {} results for {} tests", self.results.len(), self.allowed.len()));
        }
        for (at, (result, allowed)) in self.results.iter().zip(&self.allowed).enumerate() {
            if !route.allows(allowed, result.status) {
                let Verdict { status, detail } = result;
                wrong.push(format!(
                    "{name}[{at}] by {route}: {} ({detail}), allowed {}",
                    word(*status),
                    words(allowed)
                ));
            }
        }
        if self.honest.is_empty() {
            wrong.push(format!("after {name} by {route} an honest program got no result"));
        }
        for Verdict { status, detail } in self.honest.iter().filter(|verdict| verdict.status != Status::Passed) {
            wrong.push(format!("after {name} by {route} an honest program got {} ({detail})", word(*status)));
        }
        wrong
    }
}

/// An attack a line: kind, route, whether it held, its name, the verdicts.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let Outcome { name, kind, route, results, .. } = outcome;
            let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
            let (mark, rest) = match &outcome.skipped {
                Some(why) => ("skipped", why.clone()),
                None if outcome.wrong().is_empty() => ("held", words(&statuses)),
                None => ("THROUGH", words(&statuses)),
            };
            writeln!(formatter, "{kind:<7} {route:<9} {mark:<8} {name:<32} {rest}")?;
        }
        let (held, through, skipped) = self.counts();
        write!(formatter, "{held} held, {through} got through, {skipped} skipped")
    }
}

fn words(statuses: &[Status]) -> String {
    let mut words: Vec<(String, usize)> = Vec::new();
    for status in statuses {
        match words.last_mut() {
            Some((last, count)) if *last == word(*status) => *count += 1,
            _ => words.push((word(*status), 1)),
        }
    }
    let words: Vec<String> =
        words.into_iter().map(|(word, count)| if count > 1 { format!("{word}×{count}") } else { word }).collect();
    words.join(" ")
}

/// As the API writes it.
fn word(status: Status) -> String {
    serde_json::to_value(status).ok().and_then(|word| word.as_str().map(String::from)).unwrap_or_default()
}
