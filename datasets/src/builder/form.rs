//! Two forms of tasks.

use super::dice::Dice;
use super::full;
use super::phrase::{Phrasing, prompt};
use super::query::{Query, Schema};
use super::words::{Split, TableWords, tables_of};

/// How tasks are worded, and which tables they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The quickstart's: a sentence of few words over tables and columns thrown together, which its toy policy can learn. Language, file
    /// and output form are the policy's to know, and rows without a stated order come by `id`.
    Short,
    /// All that a model has to know is said: language, library, file, schema, input, output form and the order of rows. Tables have
    /// columns that belong to them, no table is in both splits, and no sentence of the evaluation split has a shape that training has.
    Full,
}

impl Form {
    /// `short` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Full => "full",
        }
    }

    /// The data set that its tasks say they are of, with which their ids begin.
    pub(super) fn dataset(self) -> &'static str {
        match self {
            Self::Short => "quickstart",
            Self::Full => "sqlite",
        }
    }

    /// Where a split's candidates are drawn from, apart from those of every other.
    pub(super) fn stream(self, split: Split) -> u64 {
        let purpose: u64 = match (self, split) {
            (Self::Short, Split::Train) => 1,
            (Self::Short, Split::Eval) => 2,
            // 3 is the demonstrations'.
            (Self::Full, Split::Train) => 4,
            (Self::Full, Split::Eval) => 5,
        };
        purpose << 48
    }

    pub(super) fn tables(self, split: Split) -> &'static [TableWords] {
        match self {
            Self::Short => tables_of(split),
            Self::Full => full::tables(split),
        }
    }

    /// The query as the task asks for it: the full form leaves no order of rows open.
    pub(super) fn asked(self, query: Query) -> Query {
        match self {
            Self::Short => query,
            Self::Full => full::in_order(query),
        }
    }

    pub(super) fn prompt(self, dice: &mut Dice, split: Split, schema: &Schema, query: &Query) -> String {
        match self {
            Self::Short => prompt(query, dice.pick(&Phrasing::ALL)),
            Self::Full => {
                let wordings = full::wordings(split);
                full::prompt(&wordings[dice.below(wordings.len())], schema, query)
            }
        }
    }
}
