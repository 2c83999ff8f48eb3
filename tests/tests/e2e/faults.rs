//! What breaks in a cluster breaks here, in the middle of a run: the run ends with the same steps and the same rewards as one
//! that nothing happened to, there are never two gangs, and nothing is left.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Namespace, name, wait};
use crate::installation::{self, installed};
use crate::jobs::{self, LONGEST, POOL, STEPS};
use crate::lifecycle::nothing_of;
use crate::volume::{self, Samples};

/// A name and what happens; false where that cannot be done on this cluster.
type Fault = (&'static str, fn(&Namespace<'_>, &str) -> bool);

/// Its trainer is started again in its pod.
const IN_PLACE: &str = "trainer killed";
/// The same fault, and another attempt follows: a first one that is told to begin afresh is not started twice.
const ANOTHER_ATTEMPT: &str = "trainer killed, new attempt";

const FAULTS: [Fault; 7] = [
    (IN_PLACE, kill_trainer),
    (ANOTHER_ATTEMPT, kill_trainer),
    ("detector killed", |namespace, _| kill(namespace, "app.kubernetes.io/component=detector")),
    ("sandbox killed", |namespace, _| kill(namespace, "app.kubernetes.io/component=sandbox")),
    ("operator killed", |namespace, _| {
        kill(&namespace.cluster.lasting(installation::NAMESPACE), "app.kubernetes.io/name=real-operator")
    }),
    ("API server killed", |namespace, _| {
        let Some(own) = &namespace.cluster.own else { return false };
        own.kill("kube-apiserver").expect("it runs");
        true
    }),
    ("sandbox drained", |namespace, _| evict(namespace, "app.kubernetes.io/component=sandbox")),
];

/// A line of the table.
struct Row {
    fault: String,
    attempts: u64,
    seconds: u64,
    /// From the fault to the end of the next step, for a trainer that had to start again.
    next_step: Option<f64>,
    scored: usize,
    different: usize,
}

pub(crate) fn change_nothing(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("faults");
    let mut pool: Value = serde_saphyr::from_str(POOL).expect("YAML");
    // Two, so that one can be drained while the other works.
    pool["spec"]["sandbox"]["scaling"] = json!({"minReplicas": 2, "maxReplicas": 2});
    jobs::pool(&namespace, &pool.to_string());

    let undisturbed = jobs::short("undisturbed");
    let Run { samples: undisturbed, seconds, .. } =
        run(&namespace, &undisturbed, |_, _| true).expect("nothing is skipped");
    let scored = undisturbed.values().map(Vec::len).sum();
    assert!(scored > 0, "no samples");
    let first = Row { fault: "none".to_owned(), attempts: 1, seconds, next_step: None, scored, different: 0 };
    let mut rows = vec![first];
    for (fault, inject) in FAULTS {
        let job = fault.to_lowercase().replace(',', "").replace(' ', "-");
        let mut manifest = jobs::short(&job);
        if fault == ANOTHER_ATTEMPT {
            manifest["spec"]["checkpoint"]["resumeFrom"] = "none".into();
        }
        let Some(Run { samples, seconds, injected }) = run(&namespace, &manifest, inject) else {
            println!("skipped: {fault}: the cluster's own programs are not this test's to kill");
            continue;
        };
        let status = namespace.get("rtj", &job).map(|job| job["status"].clone()).unwrap_or_default();
        let attempts = status["attempt"].as_u64().unwrap_or(0);
        let killed = [IN_PLACE, ANOTHER_ATTEMPT].contains(&fault);
        let next_step = killed.then(|| first_step(&namespace, &job, attempts, injected));
        if killed && cluster.own.is_some() {
            let in_place = status["restarts"]["inPlace"].as_u64().unwrap_or(0);
            let expected = if fault == IN_PLACE { (1, 1) } else { (2, 0) };
            assert_eq!((attempts, in_place), expected, "{fault}: attempts and restarts in place: {status}");
            assert_eq!(status["restarts"]["failures"], 1, "{fault}");
        }
        let different = differences(&undisturbed, &samples);
        let scored = samples.values().map(Vec::len).sum();
        rows.push(Row { fault: fault.to_owned(), attempts, seconds, next_step, scored, different: different.len() });
        print(&rows);
        assert!(different.is_empty(), "{fault}: {} samples differ, such as {:?}", different.len(), different.first());
        namespace.kubectl(&["delete", "rtj", &job]).expect_success();
        wait(90, "without orphans", || nothing_of(&namespace, &job));
    }
    print(&rows);
}

fn print(rows: &[Row]) {
    println!(
        "{:<28} {:>8} {:>8} {:>11} {:>8} {:>10}",
        "fault", "attempts", "seconds", "next step s", "samples", "different"
    );
    for row in rows {
        let next_step = row.next_step.map_or("-".to_owned(), |seconds| format!("{seconds:.1}"));
        println!(
            "{:<28} {:>8} {:>8} {next_step:>11} {:>8} {:>10}",
            row.fault, row.attempts, row.seconds, row.scored, row.different
        );
    }
}

/// A job that was run to its end.
struct Run {
    samples: Samples,
    seconds: u64,
    /// When something was done to it.
    injected: Timestamp,
}

/// Runs a job to its end, and does something to it after its second step; `None` where that cannot be done.
fn run(namespace: &Namespace<'_>, manifest: &Value, inject: impl FnOnce(&Namespace<'_>, &str) -> bool) -> Option<Run> {
    let job = &name(manifest);
    println!("--- {job}");
    let started = Instant::now();
    jobs::start(namespace, manifest);
    let over = AtomicBool::new(false);
    let (done, gangs, at) = std::thread::scope(|scope| {
        let gangs = scope.spawn(|| gangs(namespace, job, &over));
        namespace.until("rtj", job, LONGEST, "at step 2", |job| jobs::step(job) >= 2);
        let at = Timestamp::now();
        let injected = inject(namespace, job);
        let done = injected.then(|| jobs::complete(namespace, job, LONGEST));
        over.store(true, Ordering::Relaxed);
        (done, gangs.join().expect("no panic"), at)
    });
    let done = done?;
    assert_eq!(jobs::step(&done), STEPS, "{job}");
    assert!(gangs <= 1, "{job}: pods of {gangs} attempts ran at once");
    let seconds = started.elapsed().as_secs();
    Some(Run { samples: volume::samples(namespace, job), seconds, injected: at })
}

/// Seconds from `since` to the first step that the trainer of an attempt did after it, by the kubelet's times of its log's lines. The
/// log is that of the trainer that ended the job: what it did before it was started again is in another one.
fn first_step(namespace: &Namespace<'_>, job: &str, attempt: u64, since: Timestamp) -> f64 {
    let log = namespace.kubectl(&["logs", &format!("job/{job}-{attempt}"), "--timestamps"]).expect_success();
    let times = log.lines().filter(|line| line.contains("step ") && line.contains(&format!("/{STEPS}: ")));
    let times = times.filter_map(|line| line.split_whitespace().next()?.parse::<Timestamp>().ok());
    let first = times.filter(|time| *time > since).min().unwrap_or_else(|| panic!("no step after {since} in\n{log}"));
    first.duration_since(since).as_secs_f64()
}

/// The most attempts of a job that had pods at the same time.
fn gangs(namespace: &Namespace<'_>, job: &str, over: &AtomicBool) -> usize {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        let pods = namespace.list("pods", &format!("real-rl.dev/job={job}"));
        let live = pods.iter().filter(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
        let attempts: BTreeSet<String> =
            live.map(|pod| pod["metadata"]["labels"]["real-rl.dev/attempt"].to_string()).collect();
        most = most.max(attempts.len());
        std::thread::sleep(Duration::from_millis(300));
    }
    most
}

/// Kills the trainer of a job.
fn kill_trainer(namespace: &Namespace<'_>, job: &str) -> bool {
    kill(namespace, &format!("real-rl.dev/job={job}"))
}

/// Kills one of the pods with a label.
fn kill(namespace: &Namespace<'_>, label: &str) -> bool {
    namespace.kill(&namespace.ready_pod(label));
    true
}

/// Evicts one of the pods with a label, as `kubectl drain` does with each pod of a node.
fn evict(namespace: &Namespace<'_>, label: &str) -> bool {
    let pod = name(&namespace.ready_pod(label));
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.name);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace.name},
    });
    namespace.post(&path, &eviction).expect_success();
    true
}

/// The samples that are not as in the other run, with what they are in both.
fn differences(one: &Samples, other: &Samples) -> Vec<String> {
    let steps: BTreeSet<&u64> = one.keys().chain(other.keys()).collect();
    let at = |samples: &Samples, step: u64| samples.get(&step).cloned().unwrap_or_default();
    steps
        .into_iter()
        .flat_map(|&step| {
            let (one, other) = (at(one, step), at(other, step));
            let count = one.len().max(other.len());
            let pairs = (0..count).map(move |index| (one.get(index).cloned(), other.get(index).cloned()));
            pairs
                .filter(|(one, other)| one != other)
                .map(move |(one, other)| format!("step {step}: {one:?}, {other:?}"))
        })
        .collect()
}
