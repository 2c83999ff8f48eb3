//! Containers as they are written.

use crate::dataflow::Lattice;
use crate::ssa::{Container, ValueId};
use crate::taint::domain::{Items, Key, MAX_ENTRIES, Value};
use crate::taint::frame::fact;

pub(super) fn display(kind: Container, items: &[(ValueId, bool)], facts: &[Value]) -> Value {
    let mut all = Items::default();
    let mut position = Some(0);
    for (item, starred) in items {
        let value = fact(facts, *item);
        if *starred {
            all.any.join(&value.element());
            position = None;
        } else {
            all.any.join(value);
            // Positions are worth keeping in sets as well: they enumerate the constants of an allow-list.
            if let Some(i) = &mut position {
                all.known.insert(Key::Index(*i), value.clone());
                *i += 1;
            }
            if all.known.len() > MAX_ENTRIES {
                all.known.clear();
                position = None;
            }
        }
    }
    let sized = position.filter(|_| matches!(kind, Container::List | Container::Tuple));
    all.size = sized.and_then(|size| usize::try_from(size).ok());
    Value::container(all)
}

pub(super) fn mapping(items: &[(Option<ValueId>, ValueId)], facts: &[Value]) -> Value {
    let mut all = Items { keys: Some(Value::default()), ..Items::default() };
    let mut keys = Value::default();
    for (key, item) in items {
        let item = fact(facts, *item);
        if let Some(key) = key {
            let key = fact(facts, *key);
            keys.join(key);
            all.any.join(item);
            if let Some([one]) = key.as_keys().as_deref()
                && items.len() <= MAX_ENTRIES
            {
                all.known.insert(one.clone(), item.clone());
            }
            continue;
        }
        // What comes later replaces what was there, where its keys are known.
        let replaces = item.items.as_ref().is_some_and(|other| other.is_complete()) && item.text.is_none();
        if !replaces {
            let more = item.items.as_ref().map_or_else(|| item.element(), |other| other.any.clone());
            all.known.values_mut().for_each(|known| {
                known.join(&more);
            });
        }
        if let Some(other) = &item.items {
            all.any.join(&other.any);
            keys.join(other.keys.as_ref().unwrap_or(&other.any));
            all.known.extend(other.known.iter().map(|(key, value)| (key.clone(), value.clone())));
        } else {
            all.any.join(&item.element());
            keys.join(&item.element());
        }
    }
    all.keys = Some(keys);
    Value::container(all)
}
