//! Data sets that are not what they were: files changed at random from a seed, so many of each. Reading one either gives what the
//! original gave, or another data set where a value was changed, or says which file is wrong; it never panics, never reads without
//! end, and takes no memory that only the file asks for.

#![allow(clippy::print_stdout, reason = "tests print through their harness, which captures it")]

mod damage;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use damage::changed;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use real_datasets::{load, load_demonstrations};

/// Files changed, of each kind.
const CHANGES: usize = 400;

/// Rows of MBPP's first schema.
fn parquet(path: &Path, properties: WriterProperties) {
    let schema = "message m { required int64 task_id; required binary text (UTF8); required binary code (UTF8); \
                  required group test_list (LIST) { repeated group list { required binary element (UTF8); } } }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let file = fs::File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let rows = 20;
    let text =
        |of: &dyn Fn(usize) -> String| -> Vec<ByteArray> { (0..rows).map(|row| of(row).into_bytes().into()).collect() };
    let ids: Vec<i64> = (0..rows as i64).collect();
    let mut column = group.next_column().expect("readable").expect("a column");
    column.typed::<Int64Type>().write_batch(&ids, None, None).expect("written");
    column.close().expect("closed");
    for texts in [
        text(&|row| format!("Write a function f{row} that adds {row}.")),
        text(&|row| format!("def f{row}(x):\n    return x + {row}")),
    ] {
        let mut column = group.next_column().expect("readable").expect("a column");
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).expect("written");
        column.close().expect("closed");
    }
    let tests = text(&|row| format!("assert f{row}(1) == {}", row + 1));
    let mut column = group.next_column().expect("readable").expect("a column");
    let (definitions, repetitions) = (vec![1; rows], vec![0; rows]);
    column.typed::<ByteArrayType>().write_batch(&tests, Some(&definitions), Some(&repetitions)).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

/// How many changed files are refused, and how many are read as they were or with other values.
fn read_changed(name: &str, original: &[u8], seed: u64, read: impl Fn(&str) -> Result<usize, String>) -> [usize; 2] {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    let mut random = StdRng::seed_from_u64(seed);
    let mut counts = [0; 2];
    for _ in 0..CHANGES {
        let content = changed(original, &mut random);
        let result = damage::read(&path, &content, || read(path.to_str().expect("a path")));
        if let Err(error) = &result {
            assert!(error.contains(name), "{error}");
        }
        counts[usize::from(result.is_ok())] += 1;
    }
    println!("{name}: {} refused, {} read", counts[0], counts[1]);
    counts
}

fn tasks(uri: &str) -> Result<usize, String> {
    load(uri).map(|tasks| tasks.len()).map_err(|error| error.to_string())
}

#[test]
fn a_parquet_file_that_was_changed_at_random_is_read_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("mbpp.parquet");
    for (seed, compression) in [
        (1, Compression::UNCOMPRESSED),
        (2, Compression::SNAPPY),
        (3, Compression::ZSTD(ZstdLevel::default())),
        (4, Compression::LZ4_RAW),
    ] {
        parquet(&path, WriterProperties::builder().set_compression(compression).build());
        assert_eq!(tasks(path.to_str().expect("a path")), Ok(20));
        let [refused, _] = read_changed("mbpp.parquet", &fs::read(&path).expect("readable"), seed, tasks);
        assert!(refused > CHANGES / 4, "{refused}");
    }
}

#[test]
fn a_text_of_tasks_that_was_changed_at_random_is_read_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tasks.jsonl");
    let all = load("bundled://quickstart-eval").expect("bundled");
    real_datasets::write_jsonl(&path, &all[..20.min(all.len())]).expect("writable");
    let lines = fs::read(&path).expect("readable");
    let array =
        [&b"["[..], &lines.trim_ascii_end().split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b","[..]), b"]"]
            .concat();
    let packed = zstd::encode_all(&lines[..], 3).expect("packed");
    for (seed, name, original) in
        [(5, "tasks.jsonl", &lines), (6, "tasks.json", &array), (7, "tasks.jsonl.zst", &packed)]
    {
        fs::write(folder.path().join(name), original).expect("writable");
        assert!(tasks(folder.path().join(name).to_str().expect("a path")).is_ok(), "{name}");
        let [refused, _] = read_changed(name, original, seed, tasks);
        assert!(refused > CHANGES / 4, "{name}: {refused}");
    }
}

#[test]
fn demonstrations_that_were_changed_at_random_are_read_or_refused_by_name() {
    let line = |row: usize| format!("{{\"prompt\": \"What is {row} + 1?\", \"response\": \"print({row} + 1)\"}}\n");
    let lines: String = (0..20).map(line).collect();
    let read = |uri: &str| load_demonstrations(uri).map(|found| found.len()).map_err(|error| error.to_string());
    let [refused, _] = read_changed("pairs.jsonl", lines.as_bytes(), 8, read);
    assert!(refused > CHANGES / 4, "{refused}");
}
