//! All answers of an evaluation in one Parquet file, a row each: what data frames and SQL engines read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde::Serialize;

use crate::{Judged, Row};

/// Columns; what an answer that was dropped has no value for is null. `findings` and `verdicts` are the JSON of `results.jsonl`.
const SCHEMA: &str = "message results {
    required binary cell (UTF8);
    required binary task (UTF8);
    optional binary dropped (UTF8);
    optional boolean works;
    optional boolean clean;
    optional boolean both;
    optional boolean safe;
    optional double tests_passed;
    optional double reward;
    optional boolean no_code;
    optional boolean runnable;
    optional binary baseline (UTF8);
    optional binary response (UTF8);
    optional binary findings (UTF8);
    optional binary verdicts (UTF8);
}";

/// Rows that are held before they are written.
const AT_ONCE: usize = 1024;

/// A file of results under construction.
pub struct ResultsFile {
    writer: SerializedFileWriter<File>,
    rows: Vec<(String, Row)>,
}

impl ResultsFile {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(Self {
            writer: SerializedFileWriter::new(File::create(path)?, schema, Arc::new(properties))?,
            rows: Vec::new(),
        })
    }

    /// Adds an answer of a cell.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, cell: &str, row: Row) -> Result<(), ParquetError> {
        self.rows.push((cell.to_owned(), row));
        if self.rows.len() == AT_ONCE { self.write() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        self.write()?;
        self.writer.close().map(drop)
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        let scored = |of: &dyn Fn(&crate::ScoredRow) -> Option<Cell>| -> Vec<Option<Cell>> {
            rows.iter().map(|(_, row)| row.scored().and_then(of)).collect()
        };
        let truth = |holds: bool| Some(Cell::Bool(holds));
        let dropped = |row: &Row| match row {
            Row::Dropped(row) => Some(Cell::Text(row.dropped.clone())),
            Row::Scored(_) => None,
        };
        let columns = [
            rows.iter().map(|(cell, _)| Some(Cell::Text(cell.clone()))).collect(),
            rows.iter().map(|(_, row)| Some(Cell::Text(row.id().to_owned()))).collect(),
            rows.iter().map(|(_, row)| dropped(row)).collect(),
            scored(&|row| truth(row.works())),
            scored(&|row| truth(row.is_clean())),
            scored(&|row| truth(row.is_both())),
            scored(&|row| row.is_safe().map(Cell::Bool)),
            scored(&|row| Some(Cell::Real(row.function))),
            scored(&|row| Some(Cell::Real(row.reward))),
            scored(&|row| truth(row.no_code)),
            scored(&|row| truth(row.runnable)),
            scored(&|row| row.baseline.clone().map(Cell::Text)),
            scored(&|row| row.response.clone().map(Cell::Text)),
            scored(&|row| json(&row.findings)),
            scored(&|row| json(&row.verdicts)),
        ];
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (number, cells) in columns.into_iter().enumerate() {
            let Some(mut column) = group.next_column()? else { break };
            // The first two are in every row.
            let defined: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
            let defined = (number > 1).then_some(&defined[..]);
            let cells = || cells.iter().flatten();
            match column.untyped() {
                parquet::column::writer::ColumnWriter::BoolColumnWriter(_) => {
                    let values: Vec<bool> = cells().filter_map(Cell::truth).collect();
                    column.typed::<BoolType>().write_batch(&values, defined, None)?;
                }
                parquet::column::writer::ColumnWriter::DoubleColumnWriter(_) => {
                    let values: Vec<f64> = cells().filter_map(Cell::real).collect();
                    column.typed::<DoubleType>().write_batch(&values, defined, None)?;
                }
                _ => {
                    let values: Vec<ByteArray> = cells().filter_map(Cell::text).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, defined, None)?;
                }
            }
            column.close()?;
        }
        group.close().map(drop)
    }
}

enum Cell {
    Text(String),
    Bool(bool),
    Real(f64),
}

impl Cell {
    fn text(&self) -> Option<ByteArray> {
        if let Self::Text(text) = self { Some(ByteArray::from(text.as_bytes().to_vec())) } else { None }
    }

    fn truth(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    fn real(&self) -> Option<f64> {
        if let Self::Real(real) = self { Some(*real) } else { None }
    }
}

fn json(value: &impl Serialize) -> Option<Cell> {
    serde_json::to_string(value).ok().map(Cell::Text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_answer_is_a_row_and_what_was_dropped_has_no_verdict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.parquet");
        let mut file = ResultsFile::create(&path).unwrap();
        let scored = json!({"id": "7", "function": 0.5, "functionAll": false, "quality": 1, "reward": 0.75, "noCode": false,
            "runnable": true, "response": "x </script> \u{1f600}", "findings": [], "verdicts": []});
        for _ in 0..AT_ONCE + 3 {
            file.push("m/s", serde_json::from_value(scored.clone()).unwrap()).unwrap();
        }
        file.push("m/s", serde_json::from_value(json!({"id": "8", "dropped": "no sandbox"})).unwrap()).unwrap();
        file.finish().unwrap();
        let mut seen = Vec::new();
        real_datasets::each_value(&path, |row| {
            seen.push(row);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.len(), AT_ONCE + 4);
        let (first, last) = (&seen[0], &seen[AT_ONCE + 3]);
        assert_eq!((&first["task"], &first["works"], &first["clean"]), (&json!("7"), &json!(false), &json!(true)));
        assert_eq!((&first["reward"], &first["response"]), (&json!(0.75), &json!("x </script> \u{1f600}")));
        assert_eq!((&first["safe"], &first["dropped"]), (&json!(null), &json!(null)));
        assert_eq!(
            (&last["dropped"], &last["works"], &last["reward"]),
            (&json!("no sandbox"), &json!(null), &json!(null))
        );
    }
}
