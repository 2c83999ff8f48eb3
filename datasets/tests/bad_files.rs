//! Files that are no data sets, and what is said about them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use real_datasets::{DatasetKind, Message, Task, load, load_as, load_demonstrations, write_jsonl};
use tempfile::TempDir;

const TASK: &str = r#"{"id":"1","dataset":"mine","split":"train","prompt":[{"role":"user","content":"hi"}],"tests":[],"quality":["security"]}"#;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn problem(path: &Path) -> String {
    load(&path.to_string_lossy()).expect_err("must not load").to_string()
}

/// A Parquet file with one row of text columns.
fn parquet(path: &Path, columns: &[&str]) {
    let fields = columns.iter().flat_map(|column| ["required binary ", column, " (UTF8);"]).collect::<String>();
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}")).expect("a schema"));
    let file = fs::File::create(path).expect("a file");
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::builder().build())).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    while let Some(mut column) = group.next_column().expect("a column") {
        column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("x")], None, None).expect("a value");
        column.close().expect("closed");
    }
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[test]
fn a_broken_line_is_named_by_file_and_number() {
    let folder = folder();
    let path = folder.path().join("set.jsonl");
    fs::write(&path, format!("{TASK}\n\n{{\"id\": 7}}\n")).expect("written");
    let message = problem(&path);
    assert!(message.contains("set.jsonl:3:") && message.contains("invalid type"), "{message}");
    fs::write(&path, TASK.replace("\"split\"", "\"spilt\"")).expect("written");
    let message = problem(&path);
    assert!(message.contains("set.jsonl:1:") && message.contains("unknown field `spilt`"), "{message}");
}

#[test]
fn ids_are_unique_and_empty_sets_are_refused() {
    let folder = folder();
    let path = folder.path().join("set.jsonl");
    fs::write(&path, format!("{TASK}\n{TASK}\n")).expect("written");
    assert!(problem(&path).contains("tasks 1 and 2 (counted from 1) have the id `1`"));
    fs::write(&path, "\n").expect("written");
    assert!(problem(&path).contains("no tasks in it"));
}

#[test]
fn missing_files_folders_and_other_types_are_named() {
    let folder = folder();
    let absent = folder.path().join("absent.jsonl");
    assert!(problem(&absent).contains("absent.jsonl") && problem(&absent).contains("No such file"));
    let directory = folder.path().join("dir.jsonl");
    fs::create_dir(&directory).expect("a folder");
    assert!(problem(&directory).contains("is a directory"), "{}", problem(&directory));
    let other = folder.path().join("tasks.csv");
    fs::write(&other, "a,b\n1,2\n").expect("written");
    assert!(problem(&other).contains(".jsonl, .ndjson or .json file"), "{}", problem(&other));
    // What the file is comes before what its name should be.
    assert!(problem(folder.path()).contains("is a directory"), "{}", problem(folder.path()));
    let circle = folder.path().join("circle");
    symlink("circle", &circle).expect("a link");
    assert!(problem(&circle).contains("symbolic links"), "{}", problem(&circle));
    assert!(problem(Path::new("/dev/null")).contains("a pipe or a device"), "{}", problem(Path::new("/dev/null")));
    let broken = folder.path().join("broken.jsonl.gz");
    fs::write(&broken, "not gzip").expect("written");
    assert!(problem(&broken).contains("broken.jsonl.gz:1:"), "{}", problem(&broken));
}

#[test]
fn a_parquet_file_of_an_unknown_schema_is_described_beside_what_is_known() {
    let folder = folder();
    let path = folder.path().join("other.parquet");
    parquet(&path, &["question", "answer"]);
    let message = problem(&path);
    assert!(message.contains("it has the columns question, answer"), "{message}");
    for kind in DatasetKind::ALL {
        assert!(message.contains(&format!("{kind} needs {}", kind.columns()[0])), "{message}");
    }
    let message = load_as(DatasetKind::Apps, path.to_str().expect("UTF-8")).expect_err("another schema").to_string();
    assert!(message.contains("not a file of APPS+: it lacks problem_id"), "{message}");
    assert!(message.contains("problem_id, solutions"), "{message}");
    fs::write(&path, "PAR1 but no more").expect("written");
    assert!(problem(&path).contains("not a readable Parquet file"));
}

#[test]
fn tasks_written_are_tasks_read_and_the_bytes_are_the_same_each_time() {
    let folder = folder();
    let task: Task = serde_json::from_str(TASK).expect("a task");
    assert_eq!(task.prompt, [Message { role: "user".to_owned(), content: "hi".to_owned() }]);
    for name in ["set.jsonl", "set.jsonl.gz"] {
        let (one, two) = (folder.path().join(name), folder.path().join(format!("again-{name}")));
        write_jsonl(&one, [&task]).expect("written");
        write_jsonl(&two, [&task]).expect("written");
        assert_eq!(load(&one.to_string_lossy()).expect("loads"), std::slice::from_ref(&task));
        assert_eq!(fs::read(&one).expect("read"), fs::read(&two).expect("read"));
    }
    let nowhere = folder.path().join("no/such/folder.jsonl");
    assert!(write_jsonl(&nowhere, [&task]).expect_err("no folder").to_string().contains("cannot write"));
}

#[test]
fn demonstrations_are_read_from_files() {
    let folder = folder();
    let path = folder.path().join("shown.jsonl");
    fs::write(&path, r#"{"id":"a","prompt":[{"role":"user","content":"q"}],"response":"r"}"#).expect("written");
    assert_eq!(load_demonstrations(&path.to_string_lossy()).expect("loads")[0].response, "r");
    fs::write(&path, TASK).expect("written");
    let message = load_demonstrations(&path.to_string_lossy()).expect_err("a task is none").to_string();
    assert!(message.contains("shown.jsonl:1:"), "{message}");
}
