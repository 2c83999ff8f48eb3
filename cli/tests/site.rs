//! The pages as a site: each has its place and kind, and those that list what the code has, list all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below a folder whose names end so, without the folders of tests.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Pages by the part of the summary that they are in.
fn summary() -> BTreeMap<String, Vec<String>> {
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut part = String::new();
    for line in read("docs/SUMMARY.md").lines() {
        if let Some(title) = line.strip_prefix("# ") {
            title.clone_into(&mut part);
        }
        if let Some((_, rest)) = line.split_once("](") {
            let target = rest.split(')').next().unwrap_or_default();
            parts.entry(part.clone()).or_default().push(target.to_owned());
        }
    }
    parts
}

#[test]
fn every_page_is_in_the_summary_once_and_has_one_of_four_kinds() {
    let parts = summary();
    let kinds: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Explanation", "How-to guides", "Reference", "Summary", "Tutorial"]);
    let listed: Vec<PathBuf> = parts.values().flatten().map(|page| root().join("docs").join(page)).collect();
    let canonical = |path: &PathBuf| path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let unique: BTreeSet<PathBuf> = listed.iter().map(canonical).collect();
    assert_eq!(unique.len(), listed.len(), "a page is listed twice");
    // Pages of rules are listed on their own.
    let rules = root().join("docs/rules");
    let own = |path: &PathBuf| {
        !path.ends_with("SUMMARY.md") && (path.parent() != Some(&rules) || path.ends_with("README.md"))
    };
    let missing: Vec<PathBuf> =
        files("docs", ".md").into_iter().filter(own).filter(|page| !unique.contains(&canonical(page))).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

#[test]
fn the_page_for_those_on_call_has_each_alert() {
    let (page, rules) = (read("docs/how-to/on-call.md"), read("charts/real-operator/files/alerts.yaml"));
    let alerts: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let parts: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("## Real").map(|_| &line[3..])).collect();
    assert!(alerts.len() > 4 && alerts == parts, "the chart has {alerts:?}, the page {parts:?}");
}

/// What `scripts/build-site` lays beside the pages.
const BESIDE: [&str; 4] = ["examples", "charts/gitops", "charts/real-operator/files", "sandbox/hostile"];

/// Targets of a page's links, without those to other sites and to places of the page itself.
fn links(prose: &str) -> Vec<&str> {
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let own = |target: &&str| !target.is_empty() && !target.contains("://") && !target.starts_with(['#', '<']);
    targets.filter(own).map(|target| target.split('#').next().unwrap_or(target)).collect()
}

/// Names of a page's places, as code hosts and mdBook make them of headings.
fn places(page: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let headings = page.lines().filter_map(|line| {
        in_code ^= line.starts_with("```");
        (!in_code && line.starts_with('#')).then(|| line.trim_start_matches('#').trim())
    });
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|text| text.chars().filter(|c| plain(*c)).collect::<String>().to_lowercase().replace(' ', "-"))
        .collect()
}

#[test]
fn a_link_to_a_place_of_a_page_leads_to_a_heading() {
    let pages = summary().into_values().flatten().map(|page| root().join("docs").join(page));
    let (mut seen, mut lost) = (0, Vec::new());
    for page in pages.chain(files("docs/rules", ".md")) {
        let text = fs::read_to_string(&page).expect("a page");
        let prose: String = text.split('`').step_by(2).collect();
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            let Some((file, place)) = target.split_once('#').filter(|(file, _)| !file.contains("://")) else {
                continue;
            };
            let file = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            seen += 1;
            if !fs::read_to_string(&file).is_ok_and(|text| places(&text).contains(place)) {
                lost.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(seen > 10, "links are not found: {seen}");
    assert!(lost.is_empty(), "no such heading:\n{}", lost.join("\n"));
}

#[test]
fn a_link_to_a_page_leads_to_one_that_the_site_has() {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut pages: BTreeSet<PathBuf> =
        summary().values().flatten().map(|page| canonical(&root().join("docs").join(page))).collect();
    pages.extend(files("docs/rules", ".md").iter().map(|page| canonical(page)));
    let summary = canonical(&root().join("docs/SUMMARY.md"));
    let mut lost = Vec::new();
    let mut seen = 0;
    for page in &pages {
        let text = fs::read_to_string(page).expect("a page");
        // What stands between backquotes is code.
        let prose: String = text.split('`').step_by(2).collect();
        for link in links(&prose) {
            let target = page.parent().expect("a folder").join(link).canonicalize();
            seen += usize::from(target.is_ok());
            let beside =
                |target: &PathBuf| BESIDE.iter().any(|folder| target.starts_with(canonical(&root().join(folder))));
            if !target.as_ref().is_ok_and(|target| *target == summary || pages.contains(target) || beside(target)) {
                lost.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(seen > 100, "links are not found: {seen}");
    assert!(lost.is_empty(), "not in docs/SUMMARY.md, or not there:\n{}", lost.join("\n"));
}

/// What is registered in a source file: name and meaning.
fn registered(source: &str) -> Vec<(String, String)> {
    let calls = source.split(".register").skip(1);
    let texts = calls.map(|call| call.split('"').skip(1).step_by(2).take(2).map(str::to_owned).collect::<Vec<_>>());
    texts.filter_map(|texts| texts.try_into().ok()).map(|[name, help]: [String; 2]| (name, help)).collect()
}

#[test]
fn the_page_of_metrics_is_fresh() {
    let mut page = String::from(
        "# Metrics\n\nGenerated by `make generate` from what the programs register. All serve Prometheus' text at `/metrics`. When \
         scraped, the name of\na counter also ends in `_total`, that of a time in `_seconds`, and a histogram has `_bucket`, `_sum` and `_count`.\n",
    );
    for (title, prefix, file) in [
        ("The operator", "real", "operator/src/metrics/mod.rs"),
        ("A detector", "real_detector", "detector/src/server/metrics.rs"),
        ("A sandbox", "real_sandbox", "sandbox/src/service/metrics.rs"),
    ] {
        let source = read(file);
        assert!(source.contains(&format!("with_prefix(\"{prefix}\")")), "{file} has another prefix");
        let metrics = registered(&source);
        assert!(metrics.len() > 3, "{file}: {metrics:?}");
        let _ = write!(page, "\n## {title}\n\n| metric | meaning |\n|---|---|\n");
        for (name, help) in metrics {
            let _ = writeln!(page, "| `{prefix}_{name}` | {help} |");
        }
    }
    page.push_str("\nThe trainer's numbers are in `metrics.jsonl` and TensorBoard, with verl's names: [algorithms.md](../algorithms.md).\n");
    let path = root().join("docs/reference/metrics.md");
    if fs::read_to_string(&path).is_ok_and(|old| old == page) {
        return;
    }
    assert!(std::env::var_os("REAL_UPDATE").is_some(), "docs/reference/metrics.md is stale; run `make generate`");
    fs::write(&path, page).expect("it can be written");
}

/// Words of Kubernetes that look like reasons and are none.
const NO_REASONS: [&str; 33] = [
    "AlwaysAllow",
    "AverageValue",
    "DisruptionTarget",
    "FailJob",
    "FailureTarget",
    "FallbackToLogsOnError",
    "ForCausalLM",
    "ForTokenClassification",
    "HorizontalPodAutoscaler",
    "IfNotPresent",
    "NetworkPolicy",
    "NodeLost",
    "NotComplete",
    "NotFailed",
    "NotIn",
    "NotStalled",
    "NotSuspended",
    "PodDisruptionBudget",
    "PodFailurePolicy",
    "PodScheduled",
    "ContainersReady",
    "RealEvalSweep",
    "RealTrainingJob",
    "RewardPool",
    "RollingUpdate",
    "RuntimeDefault",
    "ScaledObject",
    "ScheduleAnyway",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "AlreadyExists",
    "ConfigMap",
    "PascalCase",
];

/// Reasons of the kubelet's own events, which are handed on.
const OF_THE_NODE: [&str; 3] = ["FailedAttachVolume", "FailedCreatePodSandBox", "FailedMount"];

/// Words of two capitals or more in the literals of a file, up to its tests.
fn reasons(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let is_reason = |text: &str| {
        let capitals = text.chars().filter(char::is_ascii_uppercase).count();
        let first = text.starts_with(|c: char| c.is_ascii_uppercase());
        let small = text.chars().nth(1).is_some_and(|c| c.is_ascii_lowercase());
        first && small && capitals > 1 && text.chars().all(|c| c.is_ascii_alphabetic()) && !NO_REASONS.contains(&text)
    };
    code.split('"').skip(1).step_by(2).filter(|text| is_reason(text)).map(str::to_owned).collect()
}

#[test]
fn the_page_of_conditions_has_every_reason_and_no_other() {
    let page = read("docs/reference/conditions.md");
    let named: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let mut sources = Vec::new();
    for folder in ["job", "pool", "sweep"] {
        sources.extend(files(&format!("operator/src/{folder}"), ".rs"));
    }
    sources.extend(
        ["operator/src/act.rs", "operator/src/hindrance.rs", "crds/src/progress.rs"].map(|file| root().join(file)),
    );
    sources.extend(files("trainer-image/src", ".rs"));
    let text = |path: &PathBuf| fs::read_to_string(path).expect("a source file");
    let used: BTreeSet<String> = sources.iter().flat_map(|path| reasons(&text(path))).collect();
    assert!(used.len() > 60, "{used:?}");
    let missing: Vec<&String> = used.iter().filter(|reason| !named.contains(reason.as_str())).collect();
    assert!(missing.is_empty(), "docs/reference/conditions.md lacks {missing:?}");
    let all: String = sources.iter().map(text).collect();
    let gone: Vec<&&str> = named
        .iter()
        .filter(|word| word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphabetic))
        .filter(|word| !all.contains(&format!("\"{word}\"")) && !NO_REASONS.contains(word))
        .filter(|word| !OF_THE_NODE.contains(word))
        .collect();
    assert!(gone.is_empty(), "docs/reference/conditions.md names what the operator does not say: {gone:?}");
}
