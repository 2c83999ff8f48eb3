//! A task's database: its rows, and the script that makes it.

use std::fmt::Write as _;

use super::dice::Dice;
use super::query::{Column, Kind, Schema};
use super::words::VALUES;

/// Rows of each table.
pub(crate) const ROWS: usize = 10;
/// Different values in a text column.
const TEXT_VALUES: usize = 4;
/// Integers lie in `1..=MAX_INTEGER`.
const MAX_INTEGER: i64 = 99;

/// The rows of a database. Table by table, row by row, `id` first as the position from 1.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    tables: Vec<Vec<Vec<Cell>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(&'static str),
    Integer(i64),
}

impl Database {
    /// Random rows. Integers of a column are all different, so that no order has ties.
    pub(crate) fn random(dice: &mut Dice, schema: &Schema) -> Self {
        let tables = schema.tables.iter().map(|table| {
            let columns: Vec<Vec<Cell>> = table.columns.iter().map(|column| values(dice, *column)).collect();
            (0..ROWS).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
        });
        Self { tables: tables.collect() }
    }

    /// The value of a column in the row with this number, from 0; tables share their `id`s, so a join is a look-up.
    pub(crate) fn cell(&self, schema: &Schema, column: Column, row: usize) -> Option<&Cell> {
        schema.tables.iter().zip(&self.tables).find_map(|(table, rows)| {
            let place = table.columns.iter().position(|own| *own == column)?;
            Some(&rows[row][place])
        })
    }

    /// The Python program that creates the database.
    pub(crate) fn script(&self, schema: &Schema) -> String {
        let mut script = String::from("import sqlite3\n\ncon = sqlite3.connect('data.db')\n");
        for (table, rows) in schema.tables.iter().zip(&self.tables) {
            let columns: String = table
                .columns
                .iter()
                .flat_map(|column| [", ", column.name, if column.kind == Kind::Text { " TEXT" } else { " INTEGER" }])
                .collect();
            let _ = writeln!(script, "con.execute('CREATE TABLE {} (id INTEGER PRIMARY KEY{columns})')", table.name);
            let marks = ", ?".repeat(table.columns.len());
            let _ = writeln!(script, "con.executemany('INSERT INTO {} VALUES (?{marks})', [", table.name);
            for (number, row) in rows.iter().enumerate() {
                let _ = write!(script, "    ({}", number + 1);
                for cell in row {
                    let _ = match cell {
                        Cell::Text(text) => write!(script, ", '{text}'"),
                        Cell::Integer(number) => write!(script, ", {number}"),
                    };
                }
                script.push_str("),\n");
            }
            script.push_str("])\n");
        }
        script.push_str("con.commit()\n");
        script
    }
}

fn values(dice: &mut Dice, column: Column) -> Vec<Cell> {
    match column.kind {
        Kind::Text => {
            // Neighbours in the list share a beginning: drawing pairs makes prefixes ambiguous, whole words not.
            let pairs: Vec<usize> = (0..VALUES.len() / 2).collect();
            let pool: Vec<&'static str> = dice
                .sample(&pairs, TEXT_VALUES / 2)
                .into_iter()
                .flat_map(|pair| [VALUES[2 * pair], VALUES[2 * pair + 1]])
                .collect();
            (0..ROWS).map(|_| Cell::Text(dice.pick(&pool))).collect()
        }
        Kind::Integer => {
            let all: Vec<i64> = (1..=MAX_INTEGER).collect();
            dice.sample(&all, ROWS).into_iter().map(Cell::Integer).collect()
        }
    }
}
