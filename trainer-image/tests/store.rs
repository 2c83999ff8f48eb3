//! `real-trainer train` with checkpoints in a bucket of a real server, through a proxy of faults: `s3://`, `gs://` and `az://`. Skipped
//! where a server is not there.

#[path = "../../sources/tests/cloud/mod.rs"]
#[allow(dead_code, reason = "nobody here asks a machine who it is")]
mod cloud;
#[path = "job/mod.rs"]
#[allow(dead_code, reason = "these jobs are run with a bucket's variables")]
mod job;
#[path = "job/running.rs"]
#[allow(dead_code, reason = "nobody here looks at the files that a job has opened")]
mod running;
#[path = "../../sources/tests/store/mod.rs"]
mod store;

use std::fs;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use job::{Job, read_json, stderr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_crds::progress::Outcome;
use running::Running;
use serde_json::{Value, json};
use store::{Asked, Fault, Kind, Store};
use tokio::runtime::Runtime;

struct Bucket {
    store: Store,
    runtime: Runtime,
    /// `s3`, `gs` or `az`.
    scheme: &'static str,
    /// Where Azure's server keeps what it has.
    _folder: tempfile::TempDir,
}

impl Bucket {
    fn start(scheme: &'static str) -> Option<Self> {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = match scheme {
            "az" => runtime.block_on(cloud::azurite(folder.path()))?,
            _ => runtime.block_on(Store::start())?,
        };
        Some(Self { store, runtime, scheme, _folder: folder })
    }

    /// What a trainer is told of the server.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let proxy = self.store.proxy.clone();
        match self.scheme {
            "s3" => vec![
                ("AWS_ENDPOINT_URL", proxy),
                ("AWS_ACCESS_KEY_ID", "id".into()),
                ("AWS_SECRET_ACCESS_KEY", "hush".into()),
                ("AWS_SESSION_TOKEN", "session".into()),
            ],
            "gs" => vec![
                ("GS_ENDPOINT_URL", proxy),
                ("GS_ACCESS_KEY_ID", "id".into()),
                ("GS_SECRET_ACCESS_KEY", "hush".into()),
            ],
            _ => vec![
                ("AZURE_STORAGE_SERVICE_ENDPOINT", format!("{proxy}/{}", cloud::ACCOUNT)),
                ("AZURE_STORAGE_ACCOUNT", cloud::ACCOUNT.into()),
                ("AZURE_STORAGE_KEY", cloud::KEY.into()),
            ],
        }
    }

    fn spawn(&self, job: &Job, extra: &[&str]) -> Child {
        let mut command = job.command(extra);
        command.envs(self.environment());
        // Every file of weights goes in parts.
        command.envs([("REAL_CACHE", "/nonexistent"), ("REAL_PART_BYTES", "40000")]);
        command.env("REAL_TERMINATION_LOG", job.run_dir().with_file_name("last-words.json"));
        command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts")
    }

    fn run(&self, job: &Job, extra: &[&str]) -> Output {
        self.spawn(job, extra).wait_with_output().expect("the program ends")
    }

    fn run_well(&self, job: &Job, extra: &[&str]) -> String {
        let output = self.run(job, extra);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        self.runtime.block_on(self.store.keys(prefix))
    }

    /// Steps that have a manifest in the bucket, and those that have anything.
    fn steps(&self) -> (Vec<u64>, Vec<u64>) {
        let keys = self.keys("runs/one/checkpoints/");
        let step = |key: &String| key.split("step-").nth(1)?.split('/').next()?.parse::<u64>().ok();
        let of = |keys: Vec<&String>| {
            let mut steps: Vec<u64> = keys.into_iter().filter_map(step).collect();
            steps.sort_unstable();
            steps.dedup();
            steps
        };
        let whole = keys.iter().filter(|key| key.ends_with("/manifest.json")).collect();
        (of(whole), of(keys.iter().collect()))
    }
}

/// A job of some steps with a checkpoint every second, which goes to the bucket.
fn job_in_bucket(steps: u64) -> Job {
    let mut job = Job::sft(steps);
    job.config["checkpoint"] = json!({
        "everySteps": 2, "retain": 1, "keepBest": {"metric": "train/loss", "goal": "max", "count": 0},
        "store": {"uri": "s3://data/runs/one", "timeoutSeconds": 60},
    });
    job
}

fn words(job: &Job) -> Value {
    read_json(&job.run_dir().with_file_name("last-words.json"))
}

fn reasons(job: &Job) -> Vec<String> {
    let text = fs::read_to_string(job.run_dir().join("warnings.jsonl")).unwrap_or_default();
    let reason = |line: &str| serde_json::from_str::<Value>(line).ok()?["reason"].as_str().map(str::to_owned);
    text.lines().filter_map(reason).collect()
}

/// Whether two runs ended with the same state.
fn assert_same(a: &Job, b: &Job, step: u64) {
    assert_eq!(a.metrics(), b.metrics());
    for file in ["model.safetensors", "optimizer/actor.safetensors", "state.json"] {
        let [x, y] = [a, b].map(|job| fs::read(job.checkpoint(step, file)).expect("a checkpoint's file"));
        assert!(x == y, "{file} differs");
    }
}

/// Where a trainer is killed: a request, which of its kind, whether the store still gets it, and the steps that may be whole then.
type Moment = (&'static str, fn(&Asked) -> bool, usize, bool, &'static [u64]);

/// What a trainer goes through that is killed at some moments, each in its second part: it goes on on another disk, and ends as a run that
/// was never killed.
fn goes_on_elsewhere(bucket: &Bucket, moments: &[Moment]) {
    let steady = |steps: u64| {
        let mut job = job_in_bucket(steps);
        job.config["checkpoint"]["store"]["uri"] = format!("{}://data/runs/one", bucket.scheme).into();
        // So that two steps and four more are the same as six.
        job.config["algorithm"]["sft"]["schedule"] = "constant".into();
        job
    };
    let first = steady(2);
    bucket.run_well(&first, &[]);
    let begun = bucket.contents();
    let straight = steady(6);
    bucket.run_well(&straight, &["--resume"]);
    assert_eq!(bucket.steps(), (vec![6], vec![6]), "retention holds in the bucket");
    let told = words(&straight);
    assert_eq!(told["checkpoints"][0]["step"], 6);
    assert_eq!(told["store"], json!({"uri": format!("{}://data/runs/one", bucket.scheme), "pending": []}));
    for (moment, is_it, number, arrives, whole) in moments.iter().copied() {
        bucket.restore(&begun);
        let job = steady(6);
        // Known a moment after the rule is.
        let pid = Arc::new(OnceLock::new());
        let (doomed, mut seen) = (Arc::clone(&pid), 0);
        bucket.store.rule(move |asked| {
            seen += usize::from(is_it(asked));
            if !is_it(asked) || seen != number {
                return None;
            }
            kill(*doomed.wait(), Signal::SIGKILL).expect("it runs");
            Some(if arrives { Fault::Lost } else { Fault::Answer(500, "") })
        });
        let child = bucket.spawn(&job, &["--resume"]);
        pid.set(Pid::from_raw(i32::try_from(child.id()).expect("a pid"))).expect("one process");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), None, "{moment}: it was not killed: {}", stderr(&output));
        bucket.runtime.block_on(bucket.store.settled());
        fs::remove_dir_all(job.run_dir()).expect("a disk that is lost");
        bucket.store.rule(|_| None);
        let said = bucket.run_well(&job, &["--resume"]);
        let resumed = |step: &u64| said.contains(&format!("resuming after step {step} "));
        assert!(whole.iter().any(resumed), "{moment}: {said}");
        assert_same(&straight, &job, 6);
        assert_eq!(bucket.steps(), (vec![6], vec![6]), "{moment}: what was torn is gone");
        assert_eq!(bucket.runtime.block_on(bucket.store.unfinished()), 0, "{moment}");
    }
}

/// Every kind of request of an upload, before and after it is done.
const MOMENTS: [Moment; 9] = [
    ("a file is announced", |a| a.kind == Kind::Begin && a.key.contains("/step-6/"), 1, true, &[2, 4]),
    ("a part", |a| a.kind == Kind::Part && a.key.contains("/step-6/"), 2, true, &[2, 4]),
    ("the parts are put together", |a| a.kind == Kind::Complete && a.key.contains("/step-6/"), 1, true, &[2, 4]),
    ("a small file", |a| a.kind == Kind::Put && a.key.ends_with("/step-6/state.json"), 1, true, &[2, 4]),
    ("the records", |a| a.kind == Kind::Put && a.key.ends_with("metrics.jsonl"), 1, false, &[2]),
    ("the manifest, before it is there", |a| is_manifest(a, Kind::Put), 1, false, &[2, 4]),
    ("the manifest, when it is there", |a| is_manifest(a, Kind::Put), 1, true, &[6]),
    ("what is not kept, first", |a| a.kind == Kind::Delete && a.key.contains("/step-2/"), 1, true, &[4, 6]),
    ("what is not kept, then", |a| a.kind == Kind::Delete && a.key.contains("/step-2/"), 4, true, &[4, 6]),
];

#[test]
fn a_trainer_that_is_killed_at_any_moment_of_an_upload_goes_on_elsewhere_as_if_it_had_not_been() {
    let Some(bucket) = Bucket::start("s3") else { return };
    goes_on_elsewhere(&bucket, &MOMENTS);
}

/// Moments of which every store has some: a part that is sent, the parts put together, the records, the manifest, what is removed.
const OF_EVERY_STORE: [usize; 5] = [1, 2, 4, 5, 7];

#[test]
fn a_trainer_whose_checkpoints_go_to_googles_store_goes_on_elsewhere() {
    let Some(bucket) = Bucket::start("gs") else { return };
    goes_on_elsewhere(&bucket, &OF_EVERY_STORE.map(|moment| MOMENTS[moment]));
}

#[test]
fn a_trainer_whose_checkpoints_go_to_azures_blobs_goes_on_elsewhere() {
    let Some(bucket) = Bucket::start("az") else { return };
    goes_on_elsewhere(&bucket, &OF_EVERY_STORE.map(|moment| MOMENTS[moment]));
}

fn is_manifest(asked: &Asked, kind: Kind) -> bool {
    asked.kind == kind && asked.key.ends_with("/step-6/manifest.json")
}

#[test]
fn a_store_that_is_away_stops_no_training_and_the_run_fails_by_name_where_its_last_checkpoint_is_not_stored() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let mut job = job_in_bucket(6);
    job.config["checkpoint"]["retain"] = 2.into();
    job.config["checkpoint"]["store"]["timeoutSeconds"] = 1.into();
    // Lists and the owner's name are answered, so that the run begins; from then on nothing is taken.
    bucket.store.rule(|asked| {
        let taken = asked.kind == Kind::Put && asked.key.ends_with("owner.json");
        (!taken && matches!(asked.kind, Kind::Put | Kind::Begin))
            .then_some(Fault::Answer(403, "<Error><Code>ExpiredToken</Code></Error>"))
    });
    let output = bucket.run(&job, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = words(&job);
    assert_eq!((told["reason"].as_str(), told["step"].as_u64()), (Some("CheckpointNotStored"), Some(6)));
    let message = told["message"].as_str().expect("a message");
    for part in ["checkpoint of step 6", "s3://data/runs/one", "the newest there is none", "session token has expired"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(told["store"]["pending"], json!([6, 4]));
    assert_eq!(reasons(&job), ["CheckpointStoreAway"]);
    assert_eq!(bucket.steps().0, [0; 0]);
    // The disk has no more than retention lets be.
    let local = fs::read_dir(job.run_dir().join("checkpoints")).expect("a folder").count();
    assert_eq!(local, 2);
    // With new keys all of it is stored, without training anything again.
    bucket.store.rule(|_| None);
    job.config["checkpoint"]["store"]["timeoutSeconds"] = 60.into();
    bucket.run_well(&job, &["--resume"]);
    assert_eq!(bucket.steps(), (vec![4, 6], vec![4, 6]));
    assert_eq!(job.metrics().len(), 6);
}

#[test]
fn faults_on_the_way_are_survived_a_damaged_checkpoint_is_passed_over_and_the_best_is_kept() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let mut job = job_in_bucket(8);
    job.config["checkpoint"]["keepBest"]["count"] = 1.into();
    let mut number = 0;
    bucket.store.rule(move |asked| {
        number += 1;
        match (asked.kind, number % 7) {
            (Kind::Part | Kind::Put, 0) => Some(Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>")),
            (Kind::Part, 3) => Some(Fault::Corrupt),
            (Kind::Complete | Kind::Put, 5) => Some(Fault::Lost),
            _ => None,
        }
    });
    bucket.run_well(&job, &[]);
    let (whole, all) = bucket.steps();
    // The loss of the first step that has a checkpoint is the largest.
    assert_eq!((&whole, &all), (&vec![2, 8], &vec![2, 8]));
    let expected = job.metrics();
    bucket.store.rule(|_| None);
    let weights = "runs/one/checkpoints/step-8/model.safetensors";
    let mut content = bucket.runtime.block_on(bucket.store.content(weights)).expect("weights");
    content[100] ^= 1;
    bucket.runtime.block_on(bucket.store.put(weights, &content));
    fs::remove_dir_all(job.run_dir()).expect("a disk that is lost");
    let said = bucket.run_well(&job, &["--resume"]);
    assert!(said.contains("model.safetensors: its SHA-256 is") && said.contains("resuming after step 2"), "{said}");
    assert_eq!(job.metrics(), expected);
    assert_eq!(reasons(&job), ["CheckpointDamaged"]);
}

#[test]
fn a_bucket_has_one_job_and_one_trainer_at_a_time() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let job = job_in_bucket(4);
    bucket.run_well(&job, &[]);
    let mut other = job_in_bucket(4);
    other.config["job"] = "another".into();
    let output = bucket.run(&other, &["--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("it holds checkpoints of job test, and this is another"), "{}", stderr(&output));
    // The same job on a disk of its own, without a word of going on.
    let again = job_in_bucket(4);
    let output = bucket.run(&again, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("s3://data/runs/one has checkpoints (the newest of step 4): resume"));
    // Going back: later ones play no part any more, and are there until they are written again.
    let mut back = job_in_bucket(4);
    back.config["checkpoint"]["retain"] = 5.into();
    bucket.restore(&[]);
    bucket.run_well(&back, &[]);
    fs::remove_dir_all(back.run_dir()).expect("a disk that is lost");
    bucket
        .store
        .rule(|asked| (asked.kind == Kind::Begin && asked.key.contains("step-4")).then_some(Fault::Answer(403, "")));
    back.config["checkpoint"]["store"]["timeoutSeconds"] = 1.into();
    let output = bucket.run(&back, &["--resume-from", "step-2"]);
    assert!(stderr(&output).contains("resuming after step 2"), "{}", stderr(&output));
    assert_eq!(words(&back)["reason"], "CheckpointNotStored");
    assert_eq!(bucket.steps().0, [2]);
    // A trainer that was thought dead: another one writes its name in the middle of an upload.
    back.config["checkpoint"]["store"]["timeoutSeconds"] = 60.into();
    let owner = "runs/one/owner.json";
    let real = bucket.store.real.clone();
    bucket.store.rule(move |asked| {
        if asked.kind == Kind::Put && asked.key.ends_with("step-4/state.json") {
            let url = format!("{real}/data/{owner}?X-Amz-Signature=any");
            let body = r#"{"job":"test","attempt":7,"writer":"x"}"#;
            // A thread of the runtime waits here, and a task that it has begun may be run by no other.
            let write = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(reqwest::Client::new().put(url).body(body).send())
            };
            std::thread::spawn(write).join().expect("it is sent").expect("it is written");
        }
        None
    });
    let output = bucket.run(&back, &["--resume"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(words(&back)["reason"], "CheckpointStoreTaken");
    assert!(
        stderr(&output).contains("another trainer of this job (attempt 7) writes there now"),
        "{}",
        stderr(&output)
    );
    assert_eq!(bucket.steps().0, [2], "what it sent is not whole");
}

#[test]
fn a_checkpoint_that_somebody_reads_is_kept_until_they_are_done_or_dead() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let lease = |holder: &str, step: u64, minutes: i64| {
        let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        json!({"step": step, "holder": holder, "expires": expires}).to_string()
    };
    let place = |step: u64| format!("runs/one/leases/step-{step}.cell.json");
    let mut job = job_in_bucket(6);
    job.config["checkpoint"]["retain"] = 1.into();
    for (step, minutes) in [(2, 5), (4, -1)] {
        let text = lease("a cell", step, minutes);
        bucket.runtime.block_on(bucket.store.put(&place(step), text.as_bytes()));
    }
    // On the disk likewise.
    let leases = job.run_dir().join("leases");
    fs::create_dir_all(&leases).expect("writable");
    fs::write(leases.join("step-2.cell.json"), lease("a cell", 2, 5)).expect("writable");
    bucket.run_well(&job, &[]);
    assert_eq!(bucket.steps(), (vec![2, 6], vec![2, 6]));
    assert!(job.checkpoint(2, "manifest.json").is_file() && !job.checkpoint(4, "").exists());
    let told = reasons(&job);
    assert!(!told.is_empty() && told.iter().all(|reason| reason == "CheckpointLeased"), "{told:?}");
    assert_eq!(bucket.keys("runs/one/leases/"), [place(2)], "one that ended is removed");
}

impl Bucket {
    /// Gives what comes by when a request that is so is held back for ever; others are answered.
    fn holds_back(&self, mut is_it: impl FnMut(&Asked) -> bool + Send + 'static) -> Receiver<()> {
        let (tells, told) = channel();
        self.store.rule(move |asked| {
            is_it(asked).then(|| {
                let _ = tells.send(());
                Fault::Never
            })
        });
        told
    }

    /// Starts a job that can be looked at, in this bucket.
    fn start_job(&self, job: &Job, extra: &[&str]) -> Running {
        let mut environment = self.environment();
        environment.extend([("REAL_CACHE", "/nonexistent".to_owned()), ("REAL_PART_BYTES", "1000000".to_owned())]);
        Running::start_with(job, extra, &environment)
    }

    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let content = |key: String| {
            let content = self.runtime.block_on(self.store.content(&key)).expect("an object");
            (key, content)
        };
        self.keys("runs/").into_iter().map(content).collect()
    }

    fn restore(&self, contents: &[(String, Vec<u8>)]) {
        for key in self.keys("runs/") {
            self.runtime.block_on(self.store.remove(&key));
        }
        for (key, content) in contents {
            self.runtime.block_on(self.store.put(key, content));
        }
    }
}

/// A start on an empty disk that goes back behind a checkpoint asks the store for all that a start can ask for: whose it is, what it holds, a
/// checkpoint and the records; it writes its name and sets aside. Each request in turn is never answered.
#[test]
fn a_stop_while_the_store_does_not_answer_ends_a_start_whatever_was_asked_for_and_tears_nothing() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let mut job = job_in_bucket(4);
    job.config["checkpoint"]["retain"] = 5.into();
    bucket.run_well(&job, &[]);
    assert_eq!(bucket.steps(), (vec![2, 4], vec![2, 4]));
    let begun = bucket.contents();
    // It does not come to its end, and writes no further checkpoint before it is asked to stop.
    job.config["algorithm"]["sft"]["steps"] = 1_000_000.into();
    job.config["algorithm"]["sft"]["schedule"] = "constant".into();
    job.config["checkpoint"]["everySteps"] = 0.into();
    let mut held_back = 0;
    loop {
        bucket.restore(&begun);
        let _ = fs::remove_dir_all(job.run_dir());
        let mut number = 0;
        let is_held = bucket.holds_back(move |_| {
            number += 1;
            number == held_back + 1
        });
        let running = bucket.start_job(&job, &["--resume-from", "step-2"]);
        let was_held = loop {
            if is_held.recv_timeout(Duration::from_millis(10)).is_ok() {
                break true;
            }
            if running.progress().step > 2 {
                break false;
            }
        };
        if !was_held {
            break;
        }
        let asked = bucket.store.log().pop().expect("a request");
        let (code, words, said) = running.stop();
        assert_eq!(code, Some(75), "{asked:?}: {said}");
        let expected = (Outcome::Stopped, "asked to stop before training began");
        assert_eq!((words.outcome, words.message.as_str()), expected, "{asked:?}");
        // Every checkpoint is whole or was set aside, with all its files.
        let is_seal = |key: &String| key.ends_with("/manifest.json") || key.ends_with("/superseded.json");
        let files = |keys: Vec<String>| keys.into_iter().filter(|key| !is_seal(key)).collect::<Vec<_>>();
        let before = begun.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let now = bucket.keys("runs/");
        for step in [2, 4] {
            let sealed = now.iter().any(|key| key.contains(&format!("/step-{step}/")) && is_seal(key));
            assert!(sealed, "{asked:?}: step {step} of {now:?}");
        }
        assert_eq!(files(now), files(before), "{asked:?}");
        let local = fs::read_dir(job.run_dir().join("checkpoints")).expect("a folder");
        for folder in local.map(|entry| entry.expect("an entry").path()) {
            let is_one = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-"));
            assert!(!is_one || folder.join("manifest.json").is_file(), "{asked:?}: {}", folder.display());
        }
        held_back += 1;
    }
    // Two looks for the owner and what there is, a checkpoint of some files, the name, and what is set aside.
    assert!(held_back > 15, "{held_back} requests");
}

/// Whether a request is the one that is waited for.
type IsIt = fn(&Asked) -> bool;

#[test]
fn the_end_of_a_run_waits_for_no_store_that_does_not_answer_and_tells_what_is_not_stored() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let moments: [(&str, IsIt); 5] = [
        ("a file is announced", |a| a.kind == Kind::Begin),
        ("a part", |a| a.kind == Kind::Part),
        ("the parts are put together", |a| a.kind == Kind::Complete),
        ("a small file", |a| a.kind == Kind::Put && a.key.ends_with("/state.json")),
        ("the manifest", |a| a.kind == Kind::Put && a.key.ends_with("/manifest.json")),
    ];
    for (moment, is_it) in moments {
        bucket.restore(&[]);
        let mut job = job_in_bucket(2);
        job.config["checkpoint"]["store"]["timeoutSeconds"] = 1.into();
        let _held = bucket.holds_back(is_it);
        let output = bucket.run(&job, &[]);
        assert_eq!(output.status.code(), Some(1), "{moment}: {}", stderr(&output));
        let told = words(&job);
        assert_eq!(told["reason"], "CheckpointNotStored", "{moment}");
        let message = told["message"].as_str().expect("a message");
        for part in ["checkpoint of step 2", "within 1 s", "the newest there is none", "it does not answer"] {
            assert!(message.contains(part), "{moment}: {message}");
        }
        assert_eq!(bucket.steps().0, [0; 0], "{moment}: what is torn passes for no checkpoint");
        // With a store that answers it is stored, and nothing is trained again.
        bucket.store.rule(|_| None);
        job.config["checkpoint"]["store"]["timeoutSeconds"] = 60.into();
        bucket.run_well(&job, &["--resume"]);
        assert_eq!((bucket.steps(), job.metrics().len()), ((vec![2], vec![2]), 2), "{moment}");
    }
}

#[test]
fn a_stop_while_a_checkpoint_is_sent_waits_for_a_store_that_answers_and_for_no_other() {
    let Some(bucket) = Bucket::start("s3") else { return };
    for answers in [true, false] {
        bucket.restore(&[]);
        let mut job = job_in_bucket(1_000_000);
        job.config["algorithm"]["sft"]["schedule"] = "constant".into();
        job.config["checkpoint"]["everySteps"] = 0.into();
        job.config["checkpoint"]["store"]["timeoutSeconds"] = if answers { 60 } else { 1 }.into();
        let _held = bucket.holds_back(move |a| !answers && a.kind == Kind::Put && a.key.contains("/checkpoints/"));
        let running = bucket.start_job(&job, &[]);
        running.until(|progress| progress.step >= 2);
        let (code, words, said) = running.stop();
        if answers {
            assert_eq!((code, words.outcome), (Some(75), Outcome::Stopped), "{said}");
            assert_eq!(bucket.steps().0, [words.progress.step], "the last step is stored");
        } else {
            assert_eq!((code, words.outcome), (Some(1), Outcome::Failed), "{said}");
            assert_eq!(words.reason.as_deref(), Some("CheckpointNotStored"), "{said}");
            assert!(job.checkpoint(words.progress.step, "manifest.json").is_file(), "it is on the disk");
        }
    }
}

#[test]
fn a_checkpoint_that_nobody_has_looked_at_because_the_store_does_not_answer_is_told_not_to_be_stored() {
    let Some(bucket) = Bucket::start("s3") else { return };
    let mut job = job_in_bucket(1_000_000);
    job.config["algorithm"]["sft"]["schedule"] = "constant".into();
    job.config["checkpoint"]["store"]["timeoutSeconds"] = 1.into();
    // The first checkpoint is there; the store never says what it has from then on.
    let mut sealed = false;
    let held = bucket.holds_back(move |asked| {
        sealed |= asked.kind == Kind::Put && asked.key.ends_with("/manifest.json");
        sealed && asked.kind == Kind::List
    });
    let running = bucket.start_job(&job, &[]);
    held.recv().expect("it comes so far");
    let step = running.progress().step;
    running.until(|progress| progress.step >= step + 4);
    let (code, words, said) = running.stop();
    assert_eq!((code, words.reason.as_deref()), (Some(1), Some("CheckpointNotStored")), "{said}");
    let last = words.progress.step;
    assert!(words.message.contains(&format!("the checkpoint of step {last} could not be stored")), "{}", words.message);
    assert!(!bucket.steps().0.contains(&last) && job.checkpoint(last, "manifest.json").is_file());
}
