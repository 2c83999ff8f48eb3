//! JSON lines, plain or gzipped, with errors that name the line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

use crate::LoadError;

/// Reads a file; `.gz` by name.
pub(crate) fn read_file<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LoadError> {
    let mut items = Vec::new();
    each(path, &mut |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

/// Gives what is in a file, a line at a time; `.gz` by name.
pub(crate) fn each<T: DeserializeOwned>(
    path: &Path,
    give: &mut dyn FnMut(T) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let failed = |reason| LoadError::Io { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let place = path.display().to_string();
    if path.extension().is_some_and(|extension| extension == "gz") {
        read(&place, MultiGzDecoder::new(file), give)
    } else {
        read(&place, file, give)
    }
}

/// Reads gzipped bytes.
pub(crate) fn read_gz<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<Vec<T>, LoadError> {
    let mut items = Vec::new();
    read(place, MultiGzDecoder::new(bytes), &mut |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

fn read<T: DeserializeOwned>(
    place: &str,
    reader: impl Read,
    give: &mut dyn FnMut(T) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    for number in 1.. {
        let problem = |message: String| LoadError::Line { place: place.to_owned(), line: number, message };
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(|error| problem(error.to_string()))? == 0 {
            break;
        }
        if number == 1 {
            first_bytes(&mut bytes).map_err(|message| problem(message.to_owned()))?;
        }
        let line = std::str::from_utf8(&bytes).map_err(|error| {
            problem(format!("byte {} of the line is no UTF-8; a data set is UTF-8 text", error.valid_up_to() + 1))
        })?;
        if !line.trim().is_empty() {
            give(parse(line).map_err(problem)?)?;
        }
    }
    Ok(())
}

/// Takes a byte order mark away, and refuses what other encodings and other JSON begin with.
fn first_bytes(line: &mut Vec<u8>) -> Result<(), &'static str> {
    if line.starts_with(b"\xef\xbb\xbf") {
        line.drain(..3);
    } else if line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") {
        return Err("the file is UTF-16; a data set is UTF-8: `iconv -f UTF-16 -t UTF-8`");
    }
    if line.trim_ascii_start().starts_with(b"[") {
        return Err("the file is a JSON array; a data set has one object a line: `jq -c '.[]'`");
    }
    Ok(())
}

/// One object; errors name the field they are about.
fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        let error = error.into_inner();
        // That the text is of one line is known: the column alone helps.
        let message = error.to_string().replace(" at line 1 column ", " at column ");
        let shape = if error.is_data() { foreign_shape(line) } else { None };
        format!("{place}{message}{}", shape.unwrap_or_default())
    })?;
    deserializer.end().map_err(|error| format!("after the object: {error}"))?;
    Ok(parsed)
}

/// Fields by which other projects' task files are known, and what has to be done with such a file.
const FOREIGN_SHAPES: [(&[&str], &str); 4] = [
    (
        &["task_id", "entry_point", "canonical_solution"],
        "a HumanEval row: `prompt` is a chat (a list of messages), each assertion of `test` a test of kind `call` with entry_point as `entry`",
    ),
    (
        &["task_id", "test_list", "text"],
        "an MBPP row: `text` is the chat, each assertion of `test_list` a test of kind `call`",
    ),
    (
        &["data_source", "reward_model"],
        "a row of verl's: `prompt` fits as it is; `reward_model.ground_truth` has to become `tests`",
    ),
    (&["messages"], "a chat row: `messages` without the answer is `prompt`; a task needs `tests` besides"),
];

fn foreign_shape(line: &str) -> Option<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let (_, what) = FOREIGN_SHAPES.iter().find(|(names, _)| names.iter().all(|name| fields.contains_key(*name)))?;
    Some(format!("; the line looks like {what} (examples/own-data/README.md has the form)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn refusal(bytes: &[u8]) -> String {
        read::<Task>("tasks.jsonl", bytes, &mut |_| Ok(())).expect_err("it is refused").to_string()
    }

    const TASK: &str = r#"{"id":"a","dataset":"own","split":"train","prompt":[],"tests":[],"quality":[]}"#;

    #[test]
    fn an_error_names_line_and_field() {
        let broken = TASK.replace(r#""quality""#, r#""comparison":{"policy":"numeric"},"quality""#);
        let said = refusal(format!("{TASK}\n\n{broken}\n").as_bytes());
        assert!(said.starts_with("tasks.jsonl:3: comparison: missing field `tolerance` at column "), "{said}");
        let broken = TASK.replace(r#""tests":[]"#, r#""tests":[{"kind":"call","entry":"f","expected":{"value":1}}]"#);
        let said = refusal(broken.as_bytes());
        assert!(said.starts_with("tasks.jsonl:1: tests[0].expected: unknown variant `value`"), "{said}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_object() {
        let mut tasks = Vec::<Task>::new();
        let text = format!("\u{feff}{TASK}\n{TASK}");
        read("tasks.jsonl", text.as_bytes(), &mut |task| {
            tasks.push(task);
            Ok(())
        })
        .expect("it is read");
        assert_eq!(tasks.len(), 2);
    }

    #[test]
    fn other_encodings_and_arrays_are_named() {
        assert!(refusal(b"\xff\xfe{\0").contains("UTF-16"));
        assert!(refusal(format!("  [{TASK}]").as_bytes()).contains("a JSON array"));
        assert!(refusal(b"{\"id\": \"\xe9\"}").contains("byte 9 of the line is no UTF-8"));
        assert!(refusal(format!("{TASK} {TASK}").as_bytes()).contains("after the object"));
    }

    #[test]
    fn shapes_of_other_projects_are_named() {
        for (row, name) in [
            (
                r#"{"task_id":"T/0","prompt":"def f():","entry_point":"f","canonical_solution":"","test":""}"#,
                "HumanEval",
            ),
            (r#"{"task_id":1,"text":"","code":"","test_list":[]}"#, "MBPP"),
            (r#"{"data_source":"x","prompt":[],"reward_model":{"ground_truth":"1"}}"#, "verl"),
            (r#"{"messages":[]}"#, "a chat row"),
        ] {
            let said = refusal(row.as_bytes());
            assert!(said.contains(name), "{said}");
        }
        assert!(!refusal(r#"{"id":1}"#.as_bytes()).contains("looks like"));
    }
}
