//! Files of other projects, in every form that they come in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use real_datasets::{
    Mapping, Reading, SolutionKind, Task, beside_the_program, each, load, load_demonstrations, load_with,
};
use real_sandbox_api::{Check, Comparison};
use serde_json::{Value, json};
use tempfile::TempDir;

fn written(folder: &TempDir, name: &str, rows: &[Value]) -> PathBuf {
    let path = folder.path().join(name);
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(&path, lines.join("\n")).expect("written");
    path
}

fn tasks(path: &Path) -> Vec<Task> {
    load(&path.to_string_lossy()).expect("it loads")
}

fn refusal(path: &Path, reading: &Reading) -> String {
    load_with(&path.to_string_lossy(), reading).expect_err("refused").to_string()
}

fn mapped(pairs: &[&str]) -> Reading {
    let pairs = pairs.iter().map(|pair| pair.parse().expect("a role and a column"));
    Reading { kind: None, mapping: Mapping::new(pairs).expect("a mapping") }
}

fn human_eval(id: &str) -> Value {
    json!({
        "task_id": id,
        "prompt": "from typing import List\n\n\ndef helper(x):\n    return x\n\n\ndef double(xs: List[int]) -> List[int]:\n    \"\"\" Doubles. \"\"\"\n",
        "entry_point": "double",
        "canonical_solution": "    return [2 * helper(x) for x in xs]\n",
        "test": "\n\nMETADATA = {'author': 'x'}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n    \
                 assert abs(candidate([0.5])[0] - 1) < 1e-6\n    assert candidate([helper(3)]) == [6], 'three'\n",
    })
}

#[test]
fn human_evals_rows_are_tasks() {
    let folder = TempDir::new().expect("a folder");
    let task = tasks(&written(&folder, "HumanEval.jsonl", &[human_eval("X/0"), human_eval("X/1")])).remove(0);
    assert_eq!((task.id.as_str(), task.dataset.as_str(), task.tests.len()), ("X/0", "humaneval", 3));
    let beside: Vec<bool> = task.tests.iter().map(beside_the_program).collect();
    assert_eq!(beside, [false, true, false]);
    assert!(task.prompt[0].content.contains("```python\nfrom typing import List"));
    assert_eq!(task.setup.prelude.as_deref(), Some("from typing import List\n\n\ndef helper(x):\n    return x"));
    assert!(task.solutions[0].code.contains("\"\"\"\n    return [2"), "{}", task.solutions[0].code);
    assert!(task.stub.as_deref().is_some_and(|stub| stub.ends_with("\"\"\"\n")));
}

#[test]
fn mbpps_rows_are_tasks_in_its_three_schemas() {
    let folder = TempDir::new().expect("a folder");
    let full = json!({"task_id": 11, "text": "Add.", "code": "def add(a, b):\n    return a + b", "test_setup_code": "one = 1",
        "test_list": ["assert add(one, 2) == 3", "assert set([add(1, 1)]) == {2}"], "challenge_test_list": ["assert add(0, 0) == 0"]});
    let task = tasks(&written(&folder, "mbpp.jsonl", &[full])).remove(0);
    assert_eq!((task.id.as_str(), task.tests.len(), task.setup.prelude.as_deref()), ("11", 3, Some("one = 1")));
    assert!(task.prompt[0].content.starts_with("Add.") && task.prompt[0].content.contains("assert add(one, 2) == 3"));
    assert_eq!(task.solutions[0].kind, SolutionKind::Reference);
    let sanitized = json!({"source_file": "x", "task_id": 2, "prompt": "Root.", "code": "import math\nroot = math.sqrt",
        "test_imports": ["import math"], "test_list": ["assert math.isclose(root(2.0), 1.41, rel_tol=0.01)"]});
    let path = folder.path().join("sanitized-mbpp.json");
    fs::write(&path, serde_json::to_string_pretty(&json!([sanitized])).expect("text")).expect("written");
    let task = tasks(&path).remove(0);
    assert_eq!(
        (task.setup.prelude.as_deref(), task.prompt[0].content.starts_with("Root.")),
        (Some("import math"), true)
    );
    assert!(beside_the_program(&task.tests[0]));
    let plus = json!({"task_id": 3, "prompt": "Add.", "code": "", "test_list": ["assert add(1, 2) == 3"], "test_imports": [],
        "test": "def assertion(a, b, atol): ...\ninputs = [[1, 2], [3, 4]]\nresults = [3, 7]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(add(*inp), exp, 1e-4)\n"});
    let task = tasks(&written(&folder, "plus.jsonl", &[plus])).remove(0);
    assert_eq!((task.tests.len(), task.comparison), (2, Comparison::Numeric { tolerance: 1e-4 }));
    assert!(task.solutions.is_empty(), "an empty program is none");
}

#[test]
fn a_row_that_cannot_be_a_task_is_named_with_its_place_and_field() {
    let folder = TempDir::new().expect("a folder");
    let mut broken = human_eval("X/1");
    broken["test"] = "def check(candidate):\n    assert (".into();
    let said = refusal(&written(&folder, "h.jsonl", &[human_eval("X/0"), broken]), &Reading::default());
    assert!(said.contains("h.jsonl:2: test: is not Python"), "{said}");
    let mut missing = human_eval("X/1");
    missing["entry_point"] = Value::Null;
    let said = refusal(&written(&folder, "h.jsonl", &[human_eval("X/0"), missing]), &Reading::default());
    assert!(said.contains("h.jsonl:2: entry_point: is null; text is needed"), "{said}");
    let said = refusal(&written(&folder, "own.jsonl", &[json!({"question": "q", "unit": "u"})]), &Reading::default());
    assert!(said.contains("own.jsonl:1:") && said.contains("question, unit") && said.contains("--map"), "{said}");
    let reading = Reading { kind: Some(real_datasets::DatasetKind::Mbpp), ..Reading::default() };
    let said = refusal(&written(&folder, "h.jsonl", &[human_eval("X/0")]), &reading);
    assert!(
        said.contains("not a file of MBPP: it lacks test_list, code") && said.contains("looks like HumanEval"),
        "{said}"
    );
}

#[test]
fn a_users_own_columns_are_mapped() {
    let folder = TempDir::new().expect("a folder");
    let tests: [Value; 7] = [
        json!("assert f(1) == 2"),
        json!(["assert f(1) == 2"]),
        json!("[\"assert f(1) == 2\"]"),
        json!({"fn_name": "f", "inputs": [[1]], "outputs": [2]}),
        json!("{\"fn_name\": \"f\", \"inputs\": [[1]], \"outputs\": [2]}"),
        json!([{"kind": "call", "entry": "f", "args": [{"value": {"t": "int", "v": "1"}}], "expected": {"returns": {"value": {"t": "int", "v": "2"}}}}]),
        json!("from solution import f\ndef test_f():\n    assert f(1) == 2\n"),
    ];
    let reading = mapped(&["prompt=q.text", "tests=unit", "solution=gold", "cwes=weakness", "quality=by"]);
    for unit in tests {
        let row = json!({"q": {"text": "Do."}, "unit": unit, "gold": "```python\ndef f(x): return 2\n```", "weakness": "CWE-89", "by": "types"});
        let path = written(&folder, "own.jsonl", &[row.clone(), row]);
        let loaded = load_with(&path.to_string_lossy(), &reading).expect("it loads");
        assert_eq!((loaded[1].id.as_str(), loaded[1].dataset.as_str()), ("2", "own"));
        assert_eq!((&loaded[0].cwes[..], loaded[0].solutions[0].code.as_str()), (&[89][..], "def f(x): return 2"));
        let Check::Call { entry, args, .. } = &loaded[0].tests[0].check else { panic!("{unit}") };
        assert_eq!((entry.as_str(), args.len()), ("f", 1), "{unit}");
    }
    let programs = json!({"prompt": "Double.", "tests": [{"input": "2\n", "output": 4}], "name": "a"});
    let path = written(&folder, "own.jsonl", &[programs]);
    let loaded = load_with(&path.to_string_lossy(), &mapped(&["id=name"])).expect("it loads");
    assert_eq!(loaded[0].tests[0].check, Check::Stdin { stdin: "2\n".into(), stdout: "4".into() });
    for (pairs, expected) in [
        (&["prompt=question"][..], "question: is not in the first row"),
        (&["id=title"], "title: is no column (--map id=title); the columns are prompt, tests, name"),
        (&["quality=name"], "name: is \"a\"; it must be security, types, or both"),
    ] {
        let said = refusal(&path, &mapped(pairs));
        assert!(said.contains(expected), "{said}");
    }
    let null = written(&folder, "null.jsonl", &[json!({"prompt": "Double.", "unit": null})]);
    let said = refusal(&null, &mapped(&["tests=unit"]));
    assert!(said.contains("null.jsonl:1: unit: is null; tests are needed"), "the column is there: {said}");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    fs::write(&null, format!("{{\"prompt\": {deep}}}")).expect("written");
    let said = refusal(&null, &mapped(&["tests=unit"]));
    assert!(said.contains("null.jsonl:1: prompt[0][0]") && said.len() < 400, "{said}");
    let said = "role=x".parse::<real_datasets::ColumnRole>().expect_err("no role");
    assert!(said.contains("role=x") && said.contains("prompt (a text"), "{said}");
}

#[test]
fn demonstrations_are_read_from_chats_and_pairs() {
    let folder = TempDir::new().expect("a folder");
    for row in [
        json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}),
        json!({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}),
        json!({"prompt": "q", "completion": "a"}),
        json!({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}),
        json!({"instruction": "q", "input": "", "output": "a"}),
        json!({"id": 7, "question": "q", "answer": "a"}),
    ] {
        let path = written(&folder, "chats.jsonl", std::slice::from_ref(&row));
        let shown = load_demonstrations(&path.to_string_lossy()).expect("it loads").remove(0);
        assert_eq!((shown.prompt[0].role.as_str(), shown.prompt[0].content.as_str()), ("user", "q"), "{row}");
        assert_eq!(shown.response, "a", "{row}");
    }
    for (row, expected) in [
        (
            json!({"messages": [{"role": "user", "content": "q"}]}),
            "messages: has to end with a message of the assistant",
        ),
        (json!({"q": 1}), "has q; a demonstration has messages"),
    ] {
        let path = written(&folder, "chats.jsonl", &[row]);
        let said = load_demonstrations(&path.to_string_lossy()).expect_err("refused").to_string();
        assert!(said.contains("chats.jsonl:1:") && said.contains(expected), "{said}");
    }
}

/// MBPP's columns, with a list, and enough rows for several pages.
fn parquet(path: &Path, rows: usize, properties: WriterPropertiesBuilder) {
    let schema = "message rows { required int64 task_id; required binary text (UTF8); optional binary code (UTF8);
                  optional group test_list (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = Arc::new(properties.set_data_page_row_count_limit(50).build());
    let mut writer =
        SerializedFileWriter::new(fs::File::create(path).expect("a file"), schema, properties).expect("a writer");
    for part in 0..2 {
        let mut group = writer.next_row_group().expect("a row group");
        let numbers: Vec<i64> = (0..rows as i64).map(|row| row + part * rows as i64).collect();
        let texts = |of: &dyn Fn(i64) -> String| {
            numbers.iter().map(|n| ByteArray::from(of(*n).into_bytes())).collect::<Vec<_>>()
        };
        let mut column = group.next_column().expect("a column").expect("ids");
        column.typed::<Int64Type>().write_batch(&numbers, None, None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("a column").expect("texts");
        column
            .typed::<ByteArrayType>()
            .write_batch(&texts(&|n| format!("Task {n}. Ünïcode.")), None, None)
            .expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("a column").expect("codes");
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![0; rows]), None).expect("nulls");
        column.close().expect("closed");
        let mut column = group.next_column().expect("a column").expect("lists");
        let (defined, repeated): (Vec<i16>, Vec<i16>) = (0..2 * rows).map(|i| (3, (i % 2) as i16)).unzip();
        let twice: Vec<ByteArray> = texts(&|n| format!("assert f({n}) == {}", 2 * n))
            .into_iter()
            .flat_map(|text| [text.clone(), text])
            .collect();
        column.typed::<ByteArrayType>().write_batch(&twice, Some(&defined), Some(&repeated)).expect("written");
        column.close().expect("closed");
        group.close().expect("closed");
    }
    writer.close().expect("closed");
}

#[test]
fn parquet_of_any_codec_version_and_encoding_is_read_alike() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("mbpp.parquet");
    let plain = || WriterProperties::builder();
    parquet(&path, 120, plain());
    let expected = tasks(&path);
    assert_eq!((expected.len(), expected[239].tests.len(), expected[239].id.as_str()), (240, 2, "239"));
    let codecs = [
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let mut all: Vec<(String, WriterPropertiesBuilder)> = Vec::new();
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            all.push((format!("{codec:?} {version:?}"), plain().set_compression(codec).set_writer_version(version)));
        }
    }
    for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        let texts = ["text", "code", "test_list.list.element"];
        let builder = plain().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false);
        let builder = texts.iter().fold(builder, |builder, column| {
            let path = column.split('.').map(str::to_owned).collect::<Vec<_>>();
            builder.set_column_encoding(parquet::schema::types::ColumnPath::new(path), encoding)
        });
        all.push((format!("{encoding:?}"), builder));
    }
    for (name, properties) in all {
        parquet(&path, 120, properties);
        assert_eq!(tasks(&path), expected, "{name}");
    }
}

/// Most memory that this process ever held, in KiB.
fn most_held() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a high-water mark");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_file_is_held_an_object_at_a_time() {
    const ROWS: usize = 4_000;
    let folder = TempDir::new().expect("a folder");
    let filling = "x".repeat(20_000);
    let row = |id: usize| {
        json!({"id": id.to_string(), "dataset": "d", "split": "s", "prompt": [{"role": "user", "content": filling}], "tests": [], "quality": []}).to_string()
    };
    let lines = folder.path().join("large.jsonl");
    let array = folder.path().join("large.json");
    let packed = folder.path().join("large.jsonl.zst");
    let mut text = (0..ROWS).map(row).collect::<Vec<_>>().join("\n");
    fs::write(&lines, &text).expect("written");
    fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).expect("packed")).expect("written");
    text = format!("[{}]", text.replace('\n', ",\n"));
    fs::write(&array, &text).expect("written");
    let size = text.len() as u64 >> 10;
    drop(text);
    // The mark of before counts the texts above; from here on it is this program's own.
    fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let before = most_held();
    for path in [&lines, &array, &packed] {
        let mut seen = 0;
        each(&path.to_string_lossy(), |_| seen += 1).expect("it loads");
        assert_eq!(seen, ROWS);
    }
    let grown = most_held().saturating_sub(before);
    // Other tests of this program run meanwhile and hold something too.
    assert!(grown < size / 4, "{grown} KiB more for a file of {size} KiB");
}
