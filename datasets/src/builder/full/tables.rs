//! Tables with columns that belong to them. A table is in one split only, so that no pair of table and column is in both.

use std::sync::LazyLock;

use crate::builder::words::{Split, TableWords};

/// A table, its columns that hold text and those that hold integers.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const TRAIN: [Row; 18] = [
    ("accounts", &["owner", "currency", "bank", "status"], &["balance", "credit_limit", "opened_year"]),
    ("albums", &["title", "artist", "label", "genre"], &["year", "tracks", "minutes"]),
    ("books", &["title", "author", "language", "publisher"], &["pages", "price", "year"]),
    ("cars", &["model", "brand", "color", "fuel"], &["mileage", "seats", "horsepower"]),
    ("cities", &["name", "country", "region", "mayor"], &["population", "altitude", "founded"]),
    ("courses", &["title", "teacher", "subject", "room"], &["credits", "places", "semester"]),
    ("doctors", &["name", "speciality", "hospital", "city"], &["age", "patients", "salary"]),
    ("drivers", &["name", "licence", "depot", "shift"], &["age", "trips", "accidents"]),
    ("films", &["title", "director", "studio", "genre"], &["year", "minutes", "budget"]),
    ("flights", &["airline", "origin", "destination", "aircraft"], &["distance", "seats", "price"]),
    ("games", &["title", "publisher", "platform", "genre"], &["year", "players", "price"]),
    ("invoices", &["customer", "currency", "status", "country"], &["amount", "tax", "days_open"]),
    ("patients", &["name", "ward", "diagnosis", "doctor"], &["age", "height", "weight"]),
    ("players", &["name", "team", "position", "country"], &["age", "goals", "matches"]),
    ("products", &["name", "brand", "category", "material"], &["price", "stock", "weight"]),
    ("recipes", &["name", "cuisine", "author", "course"], &["minutes", "calories", "servings"]),
    ("students", &["name", "faculty", "city", "degree"], &["age", "semester", "credits"]),
    ("tickets", &["event", "holder", "category", "seller"], &["price", "seat", "gate"]),
];

const EVAL: [Row; 10] = [
    ("bridges", &["name", "river", "material", "country"], &["length", "height", "built"]),
    ("employees", &["name", "department", "office", "role"], &["salary", "age", "years"]),
    ("hotels", &["name", "city", "chain", "category"], &["rooms", "stars", "price"]),
    ("lakes", &["name", "country", "type", "basin"], &["area", "depth", "altitude"]),
    ("museums", &["name", "city", "topic", "director"], &["visitors", "rooms", "founded"]),
    ("orders", &["customer", "product", "status", "warehouse"], &["quantity", "total", "days"]),
    ("parcels", &["sender", "receiver", "carrier", "city"], &["weight", "cost", "insured_value"]),
    ("plants", &["name", "family", "color", "origin"], &["height", "age", "price"]),
    ("servers", &["hostname", "owner", "datacenter", "system"], &["cores", "memory", "uptime"]),
    ("ships", &["name", "owner", "flag", "port"], &["tonnage", "crew", "built"]),
];

/// Tables of a split.
pub(in crate::builder) fn tables(split: Split) -> &'static [TableWords] {
    static TABLES: LazyLock<[Vec<TableWords>; 2]> = LazyLock::new(|| [words(&TRAIN), words(&EVAL)]);
    match split {
        Split::Train => &TABLES[0],
        Split::Eval => &TABLES[1],
    }
}

fn words(rows: &[Row]) -> Vec<TableWords> {
    rows.iter()
        .map(|(name, text, integer)| TableWords { name, text: text.to_vec(), integer: integer.to_vec() })
        .collect()
}
