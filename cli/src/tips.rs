//! What to do next, below an error: what was perhaps meant by a name that is nowhere, and words of other programs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use real_crds::validate::nearest;
use real_terminal::{errln, harmless, shell_word};

/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 1000;

/// Commands of other programs, and what does the same here.
pub(crate) const ELSEWHERE: [(&str, &str); 17] = [
    ("apply", "kubectl apply -f JOB.yaml gives a job to a cluster; real run JOB.yaml runs it on this machine"),
    ("check", "real detect PATH finds weaknesses in programs; real run --dry-run JOB.yaml checks a job"),
    ("create", "real init writes a job; kubectl create -f JOB.yaml gives it to a cluster"),
    ("download", "real datasets show URI and real run fetch what a URI names"),
    ("generate", "real-trainer generate --model DIR --prompts FILE --output FILE"),
    ("get", "kubectl get rtj,rwp,esw -o wide; of a run on this machine: its summary.json"),
    ("lint", "real detect PATH finds weaknesses in programs"),
    ("list", "runs are folders in runs/; on a cluster: kubectl get rtj,rwp,esw -A"),
    ("logs", "a run keeps its logs in runs/NAME/logs; on a cluster: kubectl logs job/NAME-ATTEMPT"),
    ("plan", "real-trainer plan JOB.yaml says what a job needs of a device"),
    ("resume", "real run --resume JOB.yaml"),
    ("rm", "a run is its folder, runs/NAME: remove that"),
    ("status", "a run has its state in runs/NAME/summary.json; on a cluster: kubectl get rtj -o wide"),
    ("stop", "Ctrl-C stops a run after a checkpoint; on a cluster set spec.suspend to true"),
    ("submit", "kubectl apply -f JOB.yaml gives a job to a cluster; real run JOB.yaml runs it on this machine"),
    ("train", "real run JOB.yaml"),
    ("validate", "real run --dry-run JOB.yaml"),
];

/// Options of other programs, likewise.
pub(crate) const OPTIONS: [(&str, &str); 5] = [
    ("-f", "the file is named without an option: real run JOB.yaml"),
    ("--file", "the file is named without an option: real run JOB.yaml"),
    ("--config", "the file is named without an option: real run JOB.yaml"),
    ("-v", "RUST_LOG=debug in the environment says more"),
    ("--verbose", "RUST_LOG=debug in the environment says more"),
];

/// Prints what was perhaps meant, where an error is about a file or folder of the command line that is not there.
pub(crate) fn print(message: &str) {
    if let Some(tip) = tip(message, std::env::args_os().skip(1)) {
        errln!("  tip: {tip}");
    }
}

fn tip(message: &str, arguments: impl Iterator<Item = OsString>) -> Option<String> {
    const LACKING: [&str; 4] = ["No such file", "there is no ", "no such folder", "Is a directory"];
    if !LACKING.iter().any(|said| message.contains(said)) {
        return None;
    }
    arguments.filter_map(|argument| argument.into_string().ok()).find_map(|argument| {
        // `NAME=FILE` and `--option=FILE` name a file, too.
        let words = std::iter::once(argument.as_str()).chain(argument.split_once('=').map(|(_, file)| file));
        let mut files = words.filter(|word| !word.is_empty() && message.contains(word) && !word.contains("://"));
        files.find_map(|file| place(Path::new(file), message))
    })
}

/// What there is where `path` is not.
fn place(path: &Path, message: &str) -> Option<String> {
    if path.is_dir() {
        let may_be_meant = |name: &String| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ["yaml", "yml", "jsonl"].iter().any(|known| ending == *known))
        };
        let files = entries(path).into_iter().filter(may_be_meant);
        let files: Vec<String> = files.take(3).map(|name| harmless(&shell_word(&path.join(name)))).collect();
        let wanted = message.contains("Is a directory") && !files.is_empty();
        return wanted.then(|| format!("in this folder are {}", files.join(", ")));
    }
    if path.exists() {
        return None;
    }
    let name = path.file_name()?.to_str()?;
    if let Some(bundled) = real_datasets::bundled_names().find(|bundled| path == Path::new(bundled)) {
        return Some(format!("what is bundled is named bundled://{bundled}"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        let shown = folder.display();
        let said = match folder.ancestors().skip(1).find(|above| above.is_dir() && !above.as_os_str().is_empty()) {
            Some(above) => format!("there is no folder {shown}; there is {}", above.display()),
            None => format!("there is no folder {shown} in {}", std::env::current_dir().unwrap_or_default().display()),
        };
        return Some(harmless(&said));
    }
    let entries = entries(folder);
    let near = nearest(name, entries.iter().map(String::as_str))?;
    let near: PathBuf = if folder == Path::new(".") { near.into() } else { folder.join(near) };
    Some(format!("a similar name exists: {}", harmless(&shell_word(&near))))
}

/// Names in a folder, in order.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// What was perhaps meant by the place of a model or data set in a job, where a shell or another program would have understood it.
pub(crate) fn of_uri(uri: &str, is_model: bool) -> Option<String> {
    if uri.starts_with('~') || uri.contains("${") || uri.contains("$(") {
        return Some(
            "a job is no shell script, and ~ and $ stand for themselves; --set spec.…=\"$VALUE\" puts in what a shell knows".to_owned(),
        );
    }
    let hub = uri.strip_prefix("https://huggingface.co/").or_else(|| uri.strip_prefix("https://hf.co/"));
    if let Some(rest) = hub {
        return Some(format!("did you mean hf://{}?", rest.trim_end_matches('/')));
    }
    let mut parts = uri.split('/');
    let plain = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && !part.starts_with('.'));
    let is_pair = plain(parts.next()) && plain(parts.next()) && parts.next().is_none();
    (is_model && is_pair && !uri.contains(':')).then(|| format!("did you mean hf://{uri}, which is on the hub?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nowhere_gets_what_is_near() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["job.yaml", "tasks.jsonl", "a b.yaml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let tip = |argument: String| {
            tip(
                &format!("cannot read {}: No such file", argument.split('=').next_back().unwrap()),
                [argument.into()].into_iter(),
            )
        };
        assert_eq!(tip(at("jbo.yaml")), Some(format!("a similar name exists: {}", at("job.yaml"))));
        assert_eq!(
            tip(format!("own={}", at("task.jsonl"))),
            Some(format!("a similar name exists: {}", at("tasks.jsonl")))
        );
        assert_eq!(tip(at("ab.yaml")), Some(format!("a similar name exists: '{}'", at("a b.yaml"))));
        let above = folder.path().display();
        assert_eq!(tip(at("no/where.yaml")), Some(format!("there is no folder {above}/no; there is {above}")));
        assert_eq!((tip(at("nothing-like-it")), tip(at("job.yaml"))), (None, None));
        assert_eq!(tip("quickstart-eval".into()).unwrap(), "what is bundled is named bundled://quickstart-eval");
    }

    #[test]
    fn a_folder_in_place_of_a_file_tells_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("job.yaml"), "").unwrap();
        let name = folder.path().display().to_string();
        let said = tip(&format!("cannot read the job {name}: Is a directory"), [OsString::from(&name)].into_iter());
        assert_eq!(said, Some(format!("in this folder are {name}/job.yaml")));
        assert_eq!(tip("spec.seed: must be a whole number", [OsString::from("job.yml")].into_iter()), None);
    }

    #[test]
    fn places_that_a_shell_or_a_hub_would_know_are_explained() {
        for uri in ["~/data.jsonl", "${DATA}/a.jsonl", "$(pwd)/a.jsonl"] {
            assert!(of_uri(uri, false).unwrap().contains("--set"), "{uri}");
        }
        assert_eq!(
            of_uri("https://huggingface.co/Qwen/Qwen3-0.6B/", true).unwrap(),
            "did you mean hf://Qwen/Qwen3-0.6B?"
        );
        assert!(of_uri("Qwen/Qwen3-0.6B", true).unwrap().contains("hf://Qwen/Qwen3-0.6B"));
        for uri in ["models/a/b", "./models", "../models", "/models", "hf://a/b", "model"] {
            assert_eq!(of_uri(uri, true), None, "{uri}");
        }
        assert_eq!(of_uri("data/a.jsonl", false), None);
    }
}
