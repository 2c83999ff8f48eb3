//! The paper's own files, where they are at hand (`REAL_DATA_DIR`, else `shared/data` beside the repository).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use real_datasets::{DatasetKind, LoadError, SolutionKind, Task, load, load_as};
use real_sandbox_api::{Check, Comparison, Expected, Expr, Group};

/// The file, or `None` and a message where it is absent.
fn data_file(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("REAL_DATA_DIR").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

fn tests_in(tasks: &[Task], group: Group) -> usize {
    tasks.iter().flat_map(|task| &task.tests).filter(|test| test.group == group).count()
}

#[test]
fn every_safesql_row_becomes_a_task_with_all_its_cases() {
    let Some(path) = data_file("safesql-train.parquet") else { return };
    let tasks = load(&path.to_string_lossy()).expect("loads");
    assert_eq!(tasks.len(), 339);
    assert_eq!(tests_in(&tasks, Group::Functional), 12_853);
    let attacks: usize = tasks.iter().map(|task| task.attacks.len()).sum();
    assert_eq!(tests_in(&tasks, Group::Safety), attacks);
    for task in &tasks {
        assert!(task.setup.script.as_ref().is_some_and(|script| script.contains("sqlite3")), "{}", task.id);
        assert!(!task.attacks.is_empty() && task.comparison == Comparison::Fuzzy, "{}", task.id);
        assert_eq!(task.solutions[0].kind, SolutionKind::Reference);
    }
}

#[test]
fn every_seccodeplt_row_becomes_a_task_with_all_its_cases() {
    let Some(path) = data_file("seccodeplt-train.parquet") else { return };
    let tasks = load(&path.to_string_lossy()).expect("loads");
    assert_eq!(tasks.len(), 655);
    assert_eq!((tests_in(&tasks, Group::Functional), tests_in(&tasks, Group::Safety)), (1640, 1340));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for check in tasks.iter().flat_map(|task| &task.tests).map(|test| &test.check) {
        let Check::Call { expected, args, .. } = check else { panic!("only calls in this set") };
        assert!(args.is_empty(), "every row gives keyword arguments");
        let what = match expected {
            Expected::Raises(_) => "raises",
            Expected::Returns(Expr::Value(_)) => "value",
            Expected::Returns(Expr::Source(_)) => "source",
            Expected::AnyOf(_) => "any",
        };
        *seen.entry(what).or_default() += 1;
    }
    assert_eq!(seen, BTreeMap::from([("raises", 756), ("source", 273), ("value", 1951)]));
}

#[test]
fn every_apps_row_becomes_a_task_with_all_its_cases() {
    let Some(path) = data_file("apps-dev.parquet") else { return };
    let tasks = load(&path.to_string_lossy()).expect("loads");
    assert_eq!(tasks.len(), 260);
    assert_eq!(tests_in(&tasks, Group::Functional), 1567);
    let methods =
        |task: &&Task| matches!(&task.tests[0].check, Check::Call { entry, .. } if entry.starts_with("Solution()."));
    assert_eq!(tasks.iter().filter(methods).count(), 47);
    assert_eq!(tasks.iter().filter(|task| task.comparison != Comparison::Exact).count(), 8);
    assert!(tasks.iter().all(|task| !task.solutions.is_empty() && task.split == "test"));
}

#[test]
fn tasks_survive_the_canonical_form() {
    for name in ["safesql-train.parquet", "seccodeplt-train.parquet", "apps-dev.parquet"] {
        let Some(path) = data_file(name) else { continue };
        for task in load(&path.to_string_lossy()).expect("loads") {
            let line = serde_json::to_string(&task).expect("a task is JSON");
            assert_eq!(serde_json::from_str::<Task>(&line).expect("reads its own form"), task);
        }
    }
}

#[test]
fn a_parquet_file_of_another_schema_is_refused_by_the_columns_it_lacks() {
    let Some(path) = data_file("seccodeplt-train.parquet") else { return };
    let error = load_as(DatasetKind::SafeSql, path.to_str().expect("UTF-8")).expect_err("another schema");
    let LoadError::MissingColumn { missing, looks_like, .. } = &error else { panic!("{error}") };
    assert!(missing.contains(&"construct_db".to_owned()));
    assert_eq!(*looks_like, Some(DatasetKind::SecCodePlt));
    let message = error.to_string();
    assert!(message.contains("looks like SecCodePLT+") && message.contains("test_cases.input"), "{message}");
}
