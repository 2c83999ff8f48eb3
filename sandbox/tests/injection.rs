//! Tests by hostile input, on real programs and a real database.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use real_sandbox_api::{BatchRequest, Group, Limits, Status, TestResult};
use serde_json::{Value, json};
use server::Server;

const SETUP: &str = "import sqlite3\nc = sqlite3.connect('shop.db')\nc.execute('CREATE TABLE item (id INTEGER, name TEXT, price REAL)')\n\
    c.executemany('INSERT INTO item VALUES (?, ?, ?)', [(1, 'pen', 2.5), (2, 'ink', 4.0), (3, \"o'ring\", 1.0)])\nc.commit()\n";

/// By name: one line of input is a name, the output its price.
const BY_NAME: [&str; 4] =
    ["' OR '1'='1", "x' UNION SELECT sql FROM sqlite_master --", "'", "pen'; DROP TABLE item; --"];

fn by_name(query: &str) -> String {
    format!(
        "import sqlite3\nname = input('name: ')\nconn = sqlite3.connect('shop.db')\ncur = conn.cursor()\n{query}\n\
         for row in cur.fetchall():\n    print(row[0])\n"
    )
}

fn batch(attacks: &[&str], ordinary: (&str, &str)) -> Value {
    let ordinary = json!({"stdin": ordinary.0, "stdout": ordinary.1});
    let test = |stdin| json!({"kind": "sql_injection", "group": "safety", "stdin": stdin, "ordinary": ordinary});
    json!({"setup": {"script": SETUP}, "tests": attacks.iter().map(test).collect::<Vec<_>>()})
}

async fn under_attack(server: &Server, program: &str) -> Vec<TestResult> {
    server.results(program, batch(&BY_NAME, ("pen", "2.5"))).await
}

fn server() -> Server {
    ["a", "b"].into_iter().find_map(Server::under).expect("a tier works on this machine")
}

#[tokio::test]
async fn a_statement_made_of_its_input_withstands_no_attack_and_one_that_binds_it_all() {
    let server = server();
    for query in [
        "cur.execute(f\"SELECT price FROM item WHERE name = '{name}'\")",
        "cur.execute(\"SELECT price FROM item WHERE name = '\" + name + \"'\")",
        "cur.execute(\"SELECT price FROM item WHERE name = '%s'\" % name)",
        "cur = conn.execute(\"SELECT price FROM item WHERE name = '{}'\".format(name))",
        "cur = sqlite3.Cursor(conn)\ncur.execute(f\"SELECT price FROM item WHERE name = '{name}'\")",
        // Whether it says so or not.
        "try:\n    cur.execute(f\"SELECT price FROM item WHERE name = '{name}'\")\nexcept sqlite3.Error:\n    pass",
        "class C(sqlite3.Connection):\n    pass\ncur = sqlite3.connect('shop.db', factory=C).execute(f\"SELECT price FROM item WHERE name = '{name}'\")",
    ] {
        let results = under_attack(&server, &by_name(query)).await;
        assert!(results.iter().all(|result| result.status == Status::WrongAnswer), "{query}: {results:#?}");
        assert!(results[0].detail.contains("structure") && results[0].detail.contains("OR"), "{}", results[0].detail);
    }
    for query in [
        "cur.execute('SELECT price FROM item WHERE name = ?', (name,))",
        "cur.execute('SELECT price FROM item WHERE name = :name', {'name': name})",
        "quoted = name.replace(\"'\", \"''\")\ncur.execute(f\"SELECT price FROM item WHERE name = '{quoted}'\")",
        "cur.execute('SELECT price, name FROM item')\nrows = [row for row in cur if row[1] == name]\ncur = type('', (), {'fetchall': lambda self: rows})()",
        // Refusing is withstanding, by a message or by an exception.
        "if not name.isalpha():\n    print('no such name')\n    raise SystemExit\ncur.execute(f\"SELECT price FROM item WHERE name = '{name}'\")",
        "if \"'\" in name:\n    raise ValueError(name)\ncur.execute(f\"SELECT price FROM item WHERE name = '{name}'\")",
    ] {
        let results = under_attack(&server, &by_name(query)).await;
        assert!(results.iter().all(|result| result.status == Status::Passed), "{query}: {results:#?}");
    }
}

#[tokio::test]
async fn what_does_not_do_its_work_withstands_nothing() {
    let server = server();
    for (program, status) in [
        ("pass", Status::WrongAnswer),
        ("print(2.5)", Status::WrongAnswer),
        ("raise SystemExit", Status::WrongAnswer),
        ("1 / 0", Status::RuntimeError),
        ("import os\nos.abort()", Status::Crashed),
        ("import os\nprint(2.5, flush=True)\nos._exit(0)", Status::RuntimeError),
        ("def (", Status::SyntaxError),
        ("input()\nwhile True: pass", Status::TimeLimit),
    ] {
        let mut batch = batch(&BY_NAME, ("pen", "2.5"));
        batch["limits"] = json!({"cpuSeconds": 0.3});
        let results = server.results(program, batch).await;
        assert!(results.iter().all(|result| result.status == status), "{program}: {results:#?}");
    }
}

#[tokio::test]
async fn ways_around_what_is_watched_withstand_nothing() {
    let server = server();
    let injectable = "SELECT price FROM item WHERE name = '{name}'";
    for way in [
        "import importlib, sys\ndel sys.modules['_sqlite3'], sys.modules['sqlite3'], sys.modules['sqlite3.dbapi2']\nimport sqlite3\nconn = sqlite3.connect('shop.db')\ncur = conn.execute(f\"{}\")",
        "cur = sqlite3.Connection.__mro__[1]('shop.db').execute(f\"{}\")",
        "cur = sqlite3.Cursor.__mro__[1](conn)\nconn.execute('SELECT 1')\ncur = sqlite3.Connection.__mro__[1]('shop.db').cursor()\ncur.execute(f\"{}\")",
        "import subprocess, sys\ncode = \"import sqlite3, sys; print(*[r[0] for r in sqlite3.connect('shop.db').execute(sys.argv[1])])\"\nconn.execute('SELECT 1')\nsubprocess.run([sys.executable, '-c', code, f\"{}\"])\ncur.execute('SELECT 1 WHERE 0')",
        "import os\nconn.execute('SELECT 1')\nif os.fork():\n    os.wait()\ncur.execute(f\"{}\")",
    ] {
        let results = under_attack(&server, &by_name(&way.replace("{}", injectable))).await;
        assert!(results.iter().all(|result| result.status != Status::Passed), "{way}: {results:#?}");
    }
}

#[tokio::test]
async fn a_statement_may_depend_on_which_input_there_is() {
    let server = server();
    // The second line is optional and the first a choice; the attack takes another way than the ordinary input.
    let program = |condition: &str, rest: &str| {
        format!(
            "import sqlite3\nfield = input()\nvalue = input()\ncur = sqlite3.connect('shop.db').cursor()\n\
             column = {{'1': 'name', '2': 'id'}}[field]\nsql = 'SELECT price FROM item WHERE 1'\nargs = []\n\
             for word in value.split():\n    sql += {condition}\n    {rest}\n\
             for row in cur.execute(sql, args): print(row[0])\n"
        )
    };
    let tests = || batch(&["1\n' OR '1'='1", "2\n1 OR 1=1", "2\n0 UNION SELECT 7 --"], ("1\npen", "2.5"));
    let safe = program("f' AND {column} = ?'", "args.append(word)");
    let results = server.results(&safe, tests()).await;
    assert!(results.iter().all(|result| result.status == Status::Passed), "{results:#?}");
    let open = program("f\" AND {column} = '{word}'\" if field == '1' else f' AND {column} = {word}'", "pass");
    let results = server.results(&open, tests()).await;
    assert!(results.iter().all(|result| result.status == Status::WrongAnswer), "{results:#?}");
}

/// Share of the vulnerable references that an attack shows, less that of the safe ones: below this it has become worse.
const FLOOR: f64 = 0.95;

/// The paper's references against labels made by another program. Skipped where the data is absent. `REAL_SAFESQL_TASKS` says
/// how many.
#[tokio::test]
async fn verdicts_on_the_papers_references_agree_with_their_labels() {
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let (programs, labels) = (folder.join("safesql-train.parquet"), folder.join("safesql-train-labels.jsonl"));
    if !programs.exists() || !labels.exists() {
        println!("skipped: no {} (set REAL_DATA_DIR)", programs.display());
        return;
    }
    let labels: HashMap<String, bool> = std::fs::read_to_string(labels)
        .expect("labels can be read")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a label a line"))
        .map(|line| (line["program_id"].as_str().expect("an id").to_owned(), line["label"] == "vulnerable"))
        .collect();
    let count: usize =
        std::env::var("REAL_SAFESQL_TASKS").ok().and_then(|text| text.parse().ok()).unwrap_or(40).max(20);
    let tasks = real_datasets::load(programs.to_str().expect("a path in UTF-8")).expect("SafeSQL loads");
    let server = server();
    // counts[vulnerable][found]
    let mut counts = [[0_u32; 2]; 2];
    for task in tasks.into_iter().step_by((339 / count).max(1)) {
        let Some(&vulnerable) = labels.get(&task.id) else { continue };
        let request = BatchRequest {
            id: None,
            program: task.solutions[0].code.clone(),
            setup: task.setup.clone(),
            tests: task.tests.into_iter().filter(|test| test.group == Group::Safety).collect(),
            comparison: task.comparison,
            limits: Limits::default(),
            stop_at_first_failure: true,
        };
        let results = server.batch(&request).await.results;
        let failed = results.iter().find(|result| result.status != Status::Passed);
        if failed.is_some() != vulnerable {
            println!("{}: vulnerable {vulnerable}, {failed:?}", task.id);
        }
        counts[usize::from(vulnerable)][usize::from(failed.is_some())] += 1;
    }
    let rate = |row: [u32; 2]| f64::from(row[1]) / f64::from(row[0] + row[1]);
    let (recall, false_positives) = (rate(counts[1]), rate(counts[0]));
    println!("{counts:?}: recall {recall:.3}, false positives {false_positives:.3}");
    assert!(recall - false_positives >= FLOOR, "J {:.3} from {counts:?}", recall - false_positives);
}
