//! What functions tell each other: the places that one writes and another reads, and which functions are to be solved
//! again because of it.

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::budget::Budget;
use crate::dataflow::{Lattice, Slot, Widening};
use crate::ssa::{Cell, ClassId, FunctionId};
use crate::taint::domain::Value;

/// A place that outlives one function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::taint) enum Place {
    /// What a function is given as its n-th parameter.
    Parameter(FunctionId, u32),
    /// What a function returns; unwritten where it has not come back so far.
    Returned(FunctionId),
    /// What a function makes of a container that it is given as its n-th parameter.
    Changed(FunctionId, u32),
    /// A variable that several functions see.
    Variable(Cell),
    /// A field: class (none where it is unknown) and name; `*` stands for all that a constructor was given.
    Field(Option<ClassId>, Rc<str>),
}

/// A slot, and who has read it.
#[derive(Debug, Default)]
struct Entry {
    slot: Slot<Value>,
    written: bool,
    readers: Vec<FunctionId>,
}

/// All places, and the functions that wait to be solved.
///
/// Facts only grow ([`Slot`]), each at most as often as its slot is high, and a function waits only because a place that
/// it has read grew: the number of times that functions are solved is bounded by the growths of what they read. What a
/// function writes in later rounds is widened ([`Widening::of_round`]), so that recursion comes to rest after a few.
#[derive(Debug)]
pub(in crate::taint) struct Store {
    entries: FxHashMap<Place, Entry>,
    waiting: BTreeSet<(u32, FunctionId)>,
    /// By function: when it was first solved. Callees are solved before their callers come back to them, so what waits is
    /// solved callees first, and a caller sees all that its callees have to say at once.
    order: Vec<u32>,
    /// By function: how often it was solved.
    rounds: Vec<u32>,
    solved: u32,
    budget: Rc<Budget>,
}

impl Store {
    pub(in crate::taint) fn new(functions: usize, budget: Rc<Budget>) -> Self {
        let (order, rounds) = (vec![0; functions], vec![0; functions]);
        Self { entries: FxHashMap::default(), waiting: BTreeSet::new(), order, rounds, solved: 0, budget }
    }

    /// What is known about a place; `reader` is solved again when that grows. None where nothing was written so far.
    pub(in crate::taint) fn read(&mut self, place: Place, reader: FunctionId) -> Option<&Value> {
        let entry = self.entries.entry(place).or_default();
        if let Err(at) = entry.readers.binary_search(&reader) {
            entry.readers.insert(at, reader);
        }
        entry.written.then(|| entry.slot.get())
    }

    /// Joins into a place what `writer` found; lets its readers wait where that grew.
    pub(in crate::taint) fn write(&mut self, place: Place, value: &Value, writer: FunctionId) {
        let least = Widening::of_budget(&self.budget).max(Widening::of_round(self.rounds[writer.0 as usize]));
        let entry = self.entries.entry(place).or_default();
        let before = entry.slot.get().weight();
        let grew = entry.slot.join(value, least);
        if !grew && entry.written {
            return;
        }
        entry.written = true;
        self.budget.release(before);
        self.budget.keep(entry.slot.get().weight());
        for reader in &entry.readers {
            self.waiting.insert((self.order[reader.0 as usize], *reader));
        }
    }

    /// Lets a function wait to be solved.
    pub(in crate::taint) fn wait(&mut self, function: FunctionId) {
        self.waiting.insert((self.order[function.0 as usize], function));
    }

    /// The next function to solve: those that were never solved, then callees before callers.
    pub(in crate::taint) fn next(&mut self) -> Option<FunctionId> {
        self.waiting.pop_first().map(|(_, function)| function)
    }

    /// A function is being solved: it does not wait any more.
    pub(in crate::taint) fn start(&mut self, function: FunctionId) {
        self.waiting.remove(&(self.order[function.0 as usize], function));
    }

    /// A function was solved for now, and its summary is written.
    pub(in crate::taint) fn finish(&mut self, function: FunctionId) {
        self.rounds[function.0 as usize] += 1;
        let order = &mut self.order[function.0 as usize];
        if *order == 0 {
            let waits = self.waiting.remove(&(0, function));
            self.solved += 1;
            *order = self.solved;
            if waits {
                self.waiting.insert((self.solved, function));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use std::time::Duration;

    const F: FunctionId = FunctionId(1);
    const G: FunctionId = FunctionId(2);

    fn store() -> Store {
        Store::new(3, Rc::new(Budget::new(Duration::MAX)))
    }

    fn text(text: &str) -> Value {
        Value::text(Text::literal(text))
    }

    #[test]
    fn only_readers_of_what_grew_wait() {
        let mut store = store();
        let place = || Place::Field(None, Rc::from("name"));
        assert_eq!(store.read(place(), F), None);
        store.read(Place::Field(None, Rc::from("other")), G);
        store.write(place(), &text("a"), G);
        assert_eq!(store.next(), Some(F));
        store.write(place(), &text("a"), G);
        assert_eq!(store.next(), None);
        assert_eq!(store.read(place(), G), Some(&text("a")));
    }

    #[test]
    fn a_place_that_grows_for_ever_lets_nobody_wait_for_ever() {
        let mut store = store();
        let place = || Place::Returned(F);
        store.read(place(), G);
        let mut solved = 0;
        for i in 0..5_000 {
            store.write(place(), &text(&"a".repeat(i)), F);
            while store.next().is_some() {
                solved += 1;
            }
        }
        assert!((2..64).contains(&solved), "{solved}");
    }

    #[test]
    fn what_feeds_itself_comes_to_rest_in_few_rounds() {
        let mut store = store();
        store.wait(F);
        let mut rounds = 0;
        while let Some(id) = store.next() {
            store.start(id);
            let mut all = store.read(Place::Returned(F), F).cloned().unwrap_or_default();
            all.join(&Value::text(all.to_text().concat(&Text::literal("a"), crate::taint::domain::languages())));
            store.write(Place::Returned(F), &all, F);
            store.finish(F);
            rounds += 1;
        }
        assert!((3..10).contains(&rounds), "{rounds}");
    }

    #[test]
    fn a_function_that_returns_nothing_known_has_come_back() {
        let mut store = store();
        assert_eq!(store.read(Place::Returned(F), G), None);
        store.write(Place::Returned(F), &Value::default(), F);
        assert_eq!(store.next(), Some(G));
        assert_eq!(store.read(Place::Returned(F), G), Some(&Value::default()));
    }

    #[test]
    fn callees_are_solved_before_callers() {
        let mut store = store();
        store.finish(G);
        store.finish(F);
        store.wait(F);
        store.wait(G);
        store.wait(FunctionId(0));
        assert_eq!([store.next(), store.next(), store.next()], [Some(FunctionId(0)), Some(G), Some(F)]);
    }
}
