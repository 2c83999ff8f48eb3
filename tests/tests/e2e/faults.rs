//! What breaks in a cluster breaks here, in the middle of a run: the run ends with the same steps and the same rewards as one
//! that nothing happened to, there are never two gangs, and nothing is left.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{Cluster, Namespace, name, wait};
use crate::installation::{self, installed};
use crate::jobs::{self, LONGEST, POOL, STEPS};
use crate::lifecycle::nothing_of;
use crate::volume::{self, Samples};

/// A name and what happens; false where that cannot be done on this cluster.
type Fault = (&'static str, fn(&Namespace<'_>, &str) -> bool);

const FAULTS: [Fault; 6] = [
    ("trainer killed", |namespace, job| kill(namespace, &format!("real-rl.dev/job={job}"))),
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

    let (undisturbed, seconds) = run(&namespace, "undisturbed", |_, _| true).expect("nothing is skipped");
    let scored = undisturbed.values().map(Vec::len).sum();
    assert!(scored > 0, "no samples");
    let first = Row { fault: "none".to_owned(), attempts: 1, seconds, scored, different: 0 };
    let mut rows = vec![first];
    for (fault, inject) in FAULTS {
        let job = fault.to_lowercase().replace(' ', "-");
        let Some((samples, seconds)) = run(&namespace, &job, inject) else {
            println!("skipped: {fault}: the cluster's own programs are not this test's to kill");
            continue;
        };
        let attempts = namespace.get("rtj", &job).and_then(|job| job["status"]["attempt"].as_u64()).unwrap_or(0);
        let different = differences(&undisturbed, &samples);
        let scored = samples.values().map(Vec::len).sum();
        rows.push(Row { fault: fault.to_owned(), attempts, seconds, scored, different: different.len() });
        print(&rows);
        assert!(different.is_empty(), "{fault}: {} samples differ, such as {:?}", different.len(), different.first());
        namespace.kubectl(&["delete", "rtj", &job]).expect_success();
        wait(90, "without orphans", || nothing_of(&namespace, &job));
    }
    print(&rows);
}

fn print(rows: &[Row]) {
    println!("{:<20} {:>8} {:>8} {:>8} {:>10}", "fault", "attempts", "seconds", "samples", "different");
    for row in rows {
        println!("{:<20} {:>8} {:>8} {:>8} {:>10}", row.fault, row.attempts, row.seconds, row.scored, row.different);
    }
}

/// Runs a job to its end, and does something to it after its second step; `None` where that cannot be done.
fn run(
    namespace: &Namespace<'_>,
    job: &str,
    inject: impl FnOnce(&Namespace<'_>, &str) -> bool,
) -> Option<(Samples, u64)> {
    println!("--- {job}");
    let started = Instant::now();
    jobs::start(namespace, &jobs::short(job));
    let over = AtomicBool::new(false);
    let (done, gangs) = std::thread::scope(|scope| {
        let gangs = scope.spawn(|| gangs(namespace, job, &over));
        namespace.until("rtj", job, LONGEST, "at step 2", |job| jobs::step(job) >= 2);
        let injected = inject(namespace, job);
        let done = injected.then(|| jobs::complete(namespace, job, LONGEST));
        over.store(true, Ordering::Relaxed);
        (done, gangs.join().expect("no panic"))
    });
    let done = done?;
    assert_eq!(jobs::step(&done), STEPS, "{job}");
    assert!(gangs <= 1, "{job}: pods of {gangs} attempts ran at once");
    Some((volume::samples(namespace, job), started.elapsed().as_secs()))
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
