//! The paper's own files, where they are at hand (`REAL_DATA_DIR`, else `shared/data` beside the repository).

use std::path::PathBuf;

use real_datasets::{Task, load};
use real_evaluation::leak::Leak;

#[test]
fn half_of_seccodeplt_is_found_in_the_other_half_where_an_independent_count_finds_it() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("REAL_DATA_DIR").map_or_else(beside, PathBuf::from).join("seccodeplt-train.parquet");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let tasks = load(&path.to_string_lossy()).unwrap();
    let half = |first: usize| tasks.iter().skip(first).step_by(2).cloned().collect::<Vec<Task>>();
    let leak = Leak::between(&half(0), &half(1));
    // By CPython's `ast.dump` of both halves, own names numbered and constants erased: 295 secure programs and 301 vulnerable ones.
    assert_eq!((leak.tasks, leak.with_programs, leak.same_prompt), (327, 327, 0));
    assert_eq!(leak.by_kind, [("secure", 295), ("vulnerable", 301)]);
    assert_eq!((leak.same_structure, leak.known), (301, 301));
}
