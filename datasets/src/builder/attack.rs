//! Hostile lines of input.

use super::oracle::Inputs;
use super::query::{Kind, Predicate, Query};

/// Inputs under which a program that builds its statement from them behaves otherwise than one that binds them: each
/// takes an ordinary input and makes one line of it hostile. A comment ends each, so that it works in front of any
/// remainder of the statement.
pub(crate) fn inputs(query: &Query, ordinary: &Inputs) -> Vec<Inputs> {
    let predicates = query.filter.predicates();
    let mut attacks = Vec::new();
    for (place, predicate) in predicates.iter().enumerate() {
        for line in hostile(predicate) {
            let mut inputs = ordinary.clone();
            if let Some(slot) = inputs.get_mut(place) {
                slot.clear();
                slot.push_str(line);
                attacks.push(inputs);
            }
        }
    }
    attacks
}

fn hostile(predicate: &Predicate) -> [&'static str; 2] {
    match predicate.column.kind {
        Kind::Text => ["' OR 1=1 --", "' UNION SELECT sql FROM sqlite_master --"],
        Kind::Integer => ["0 OR 1=1 --", "0 UNION SELECT sql FROM sqlite_master --"],
    }
}
