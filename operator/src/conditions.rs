//! Conditions of a status, derived anew each time; only the time of the last transition is carried over.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message, in characters: conditions are read in a terminal, and the API server allows 32,768.
const LONGEST_MESSAGE: usize = 1024;

/// The conditions of one object under construction.
#[derive(Debug)]
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    current: Vec<Condition>,
    anew: Vec<&'static str>,
}

impl<'a> Conditions<'a> {
    /// Starts with none. `previous` are those of the observed status, `generation` that of the observed spec.
    pub fn new(previous: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { previous, generation, now, current: Vec::new(), anew: Vec::new() }
    }

    /// Adds or replaces the condition `type_`. `reason` is a word in `CamelCase`, `message` a sentence for people.
    pub fn set(&mut self, type_: &str, status: bool, reason: &str, message: impl Into<String>) {
        let status = if status { "True" } else { "False" };
        let since = self
            .previous
            .iter()
            .find(|old| old.type_ == type_ && old.status == status && !self.anew.contains(&type_))
            .map_or(Time(whole_seconds(self.now)), |old| old.last_transition_time.clone());
        let message: String = message.into();
        self.current.retain(|other| other.type_ != type_);
        self.current.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(LONGEST_MESSAGE).collect(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    /// What is set of `type_` from here on is since now, even if its status is as before.
    pub fn begin_anew(&mut self, type_: &'static str) {
        self.anew.push(type_);
    }

    /// What was set, in the order in which it was.
    pub fn finish(self) -> Vec<Condition> {
        self.current
    }
}

/// Whether the condition `type_` is there and true.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// The condition `type_`.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The API server keeps times to the second; anything finer would look like a change each time.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_of_transition_stays_while_the_status_does() {
        let mut first = Conditions::new(&[], Some(1), at(100));
        first.set("Running", true, "AllRanksRun", "2 of 2");
        let first = first.finish();
        let mut second = Conditions::new(&first, Some(2), at(200));
        second.set("Running", true, "OtherReason", "2 of 2");
        let second = second.finish();
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(second[0].reason, "OtherReason");
        let mut third = Conditions::new(&second, Some(2), at(300));
        third.set("Running", false, "Failed", "");
        assert_eq!(third.finish()[0].last_transition_time.0, at(300));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let mut conditions = Conditions::new(&[], None, at(0));
        conditions.set("Failed", true, "Reason", "é".repeat(5000));
        assert_eq!(conditions.finish()[0].message.chars().count(), LONGEST_MESSAGE);
    }
}
