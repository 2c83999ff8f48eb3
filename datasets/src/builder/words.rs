//! The words schemas are made of, and which of their pairs are kept for evaluation.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// Names of tables.
pub(crate) const TABLES: [&str; 42] = [
    "accounts", "albums", "animals", "artists", "books", "branches", "cars", "cities", "clients", "courses", "devices",
    "doctors", "drivers", "events", "farms", "films", "flights", "games", "guests", "hotels", "invoices", "lessons",
    "loans", "members", "museums", "orders", "parcels", "patients", "players", "plants", "products", "recipes",
    "rentals", "rooms", "schools", "sensors", "shops", "songs", "staff", "students", "teams", "tickets",
];

/// Names of columns that hold text.
pub(crate) const TEXT_COLUMNS: [&str; 20] = [
    "author", "brand", "category", "city", "code", "color", "country", "genre", "grade", "kind", "label", "language",
    "material", "name", "owner", "region", "sector", "status", "street", "title",
];

/// Names of columns that hold integers.
pub(crate) const INTEGER_COLUMNS: [&str; 20] = [
    "age", "amount", "budget", "capacity", "cost", "distance", "duration", "height", "level", "mileage", "points",
    "price", "priority", "quantity", "rating", "salary", "score", "size", "weight", "year",
];

/// Values of text columns: pairs that share a beginning, so that a prefix says more than a whole word.
pub(crate) const VALUES: [&str; 24] = [
    "alder", "alpine", "birch", "birdie", "canyon", "candle", "delta", "denim", "ember", "emerald", "forest",
    "fortune", "garden", "garnet", "harbor", "harvest", "island", "islet", "jasmine", "jasper", "marble", "marina",
    "silver", "silent",
];

/// Which tasks a pair of table and column may appear in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Training tasks and demonstrations.
    Train,
    /// Evaluation tasks.
    Eval,
}

impl Split {
    /// `train` or `eval`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// The split that a pair of table and column belongs to: a hash decides, about 35 % are for evaluation. Every word is
/// seen in training, in other company.
pub(crate) fn split_of(table: &str, column: &str) -> Split {
    let digest = Sha256::digest(format!("{table}.{column}"));
    let number = u16::from_be_bytes([digest[0], digest[1]]);
    if number % 100 < 35 { Split::Eval } else { Split::Train }
}

/// A table and the columns it may have in a split.
#[derive(Debug)]
pub(crate) struct TableWords {
    pub(crate) name: &'static str,
    pub(crate) text: Vec<&'static str>,
    pub(crate) integer: Vec<&'static str>,
}

/// Tables that have enough columns in `split` for a schema of their own.
pub(crate) fn tables_of(split: Split) -> &'static [TableWords] {
    // Thousands of hashes, asked for with every draw.
    static TRAIN: LazyLock<Vec<TableWords>> = LazyLock::new(|| compute_tables(Split::Train));
    static EVAL: LazyLock<Vec<TableWords>> = LazyLock::new(|| compute_tables(Split::Eval));
    match split {
        Split::Train => &TRAIN,
        Split::Eval => &EVAL,
    }
}

fn compute_tables(split: Split) -> Vec<TableWords> {
    let columns = |table: &str, words: &[&'static str]| -> Vec<&'static str> {
        words.iter().copied().filter(|column| split_of(table, column) == split).collect()
    };
    TABLES
        .iter()
        .map(|name| TableWords { name, text: columns(name, &TEXT_COLUMNS), integer: columns(name, &INTEGER_COLUMNS) })
        .filter(|table| table.text.len() >= 2 && table.integer.len() >= 2)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_word_is_listed_twice_or_in_two_roles() {
        let all: Vec<&str> = [TABLES.as_slice(), &TEXT_COLUMNS, &INTEGER_COLUMNS].concat();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn nearly_every_table_has_enough_columns_in_both_splits() {
        assert!(tables_of(Split::Train).len() == TABLES.len() && tables_of(Split::Eval).len() >= 38);
    }

    #[test]
    fn every_column_is_seen_in_training() {
        for column in [TEXT_COLUMNS, INTEGER_COLUMNS].concat() {
            assert!(TABLES.iter().filter(|table| split_of(table, column) == Split::Train).count() > 10, "{column}");
        }
    }
}
