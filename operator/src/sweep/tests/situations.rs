//! The situations, by theme.

use std::collections::BTreeMap;

use real_crds::cell::{ShardWords, Tally};
use real_crds::progress::Outcome;
use real_crds::v1alpha1::{AxisName, CheckpointChoice, LabelSelector, MatrixAxis, RealEvalSweepSpec, SweepModel};
use serde_json::json;

use super::Case;
use super::situation::Situation;
use crate::labels;
use crate::sweep::{ALLOWED, OPT_IN};

fn selector(key: &str, value: &str) -> LabelSelector {
    LabelSelector { match_labels: BTreeMap::from([(key.to_owned(), value.to_owned())]) }
}

fn axis(name: AxisName, values: &[&str]) -> MatrixAxis {
    MatrixAxis { name, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

fn model(uri: &str) -> SweepModel {
    SweepModel { name: None, storage_uri: uri.to_owned(), secret_ref: None }
}

pub(super) fn only_models(uris: &'static [&'static str]) -> impl Fn(&mut RealEvalSweepSpec) {
    move |spec| {
        spec.targets.job_selector = None;
        spec.targets.models = uris.iter().map(|uri| model(uri)).collect();
    }
}

const INVALID: &str =
    "spec.evaluator.resources: the API server refuses it: must be less than or equal to cpu limit of 1";

pub(super) fn start() -> Vec<Case> {
    vec![
        ("a sweep whose namespace does not exist waits and says so", Situation::alone()),
        ("a namespace that was not opened is not run in", Situation::ready().namespace("research", &[])),
        (
            "another value of the label opens nothing",
            Situation::ready().namespace("research", &[(OPT_IN, "forbidden")]),
        ),
        (
            "a sweep whose pool does not exist waits for it, and asks whether its cells would be taken",
            Situation::waiting(),
        ),
        ("a sweep whose pool is not ready waits and says what the pool says", Situation::waiting().pool(false)),
        ("a sweep that waits and learns nothing new writes nothing", Situation::waiting().settled().later(60)),
        ("a sweep starts as many cells as it may", Situation::ready()),
        ("a sweep that waited starts once its pool is ready", Situation::waiting().settled().later(60).pool(true)),
        ("without a pool there is nobody to judge", Situation::ready().edited(|spec| spec.reward_pool_ref = None)),
        (
            "a suite that nobody fetches goes no further",
            Situation::ready().edited(|spec| spec.suites[0].storage_uri = "hf://suite".into()),
        ),
        (
            "a model that nobody fetches goes no further",
            Situation::ready().edited(only_models(&["https://example.com/model"])),
        ),
        (
            "a source that nobody fetches fails the sweep unless it is mended",
            Situation::ready().edited(|spec| spec.suites[0].storage_uri = "hf://suite".into()).settled().later(300),
        ),
        (
            "a sweep that was mended starts",
            Situation::ready()
                .edited(|spec| spec.suites[0].storage_uri = "hf://suite".into())
                .settled()
                .later(60)
                .edited(|spec| spec.suites[0].storage_uri = "bundled://quickstart-eval".into()),
        ),
        (
            "a value that no definition checked is refused in words",
            Situation::ready().edited(|spec| spec.matrix = vec![axis(AxisName::TopP, &["1.5"])]),
        ),
        (
            "two values that mean the same are refused",
            Situation::ready().edited(|spec| spec.matrix = vec![axis(AxisName::Temperature, &["0.8", "0.80"])]),
        ),
        (
            "a template without a place for the prompt is refused",
            Situation::ready().edited(|spec| spec.matrix = vec![axis(AxisName::PromptTemplate, &["write safe code"])]),
        ),
        ("more combinations than a sweep may have are refused before they are made", {
            let values: Vec<String> = (1..=64).map(|n| n.to_string()).collect();
            let many = |name| MatrixAxis { name, values: values.clone() };
            let matrix = vec![
                axis(AxisName::Temperature, &["0.5"]),
                many(AxisName::Samples),
                many(AxisName::Seed),
                many(AxisName::MaxResponseTokens),
            ];
            Situation::ready().edited(|spec| spec.matrix = matrix)
        }),
        ("more cells than a sweep may have are told", {
            let values: Vec<String> = (1..=64).map(|n| n.to_string()).collect();
            let many = |name| MatrixAxis { name, values: values.clone() };
            let matrix =
                vec![axis(AxisName::Temperature, &["0.5"]), many(AxisName::Seed), many(AxisName::MaxResponseTokens)];
            Situation::ready().job("research", "b", &[8]).edited(|spec| spec.matrix = matrix)
        }),
        (
            "a cell that the server never takes is not accepted, though the pool is not ready",
            Situation::waiting().refused("Invalid", INVALID, true),
        ),
        (
            "a refusal for good is asked about again after a while",
            Situation::ready().refused("Invalid", INVALID, true).settled().later(61),
        ),
        (
            "a refusal for good that nobody mends fails the sweep",
            Situation::ready().refused("Invalid", INVALID, true).settled().later(300),
        ),
        (
            "a quota that forbids a Job is named and the Job tried again",
            Situation::ready().refused("QuotaExceeded", "exceeded quota: jobs", false),
        ),
        ("a sweep in a queue of a cluster without Kueue says so", {
            let mut case = Situation::ready().labelled(labels::KUEUE_QUEUE, "gpu");
            case.observed.without_kueue = true;
            case
        }),
        ("cells of a queue are created suspended", Situation::ready().labelled(labels::KUEUE_QUEUE, "gpu")),
        ("more places than cells start all of them", Situation::ready().edited(|spec| spec.parallelism = 16)),
    ]
}

pub(super) fn targets() -> Vec<Case> {
    let everywhere =
        |situation: Situation| situation.edited(|spec| spec.namespace_selector = Some(selector("ml", "yes")));
    vec![
        ("a job without a checkpoint is left out and named", Situation::ready().job("research", "b", &[])),
        ("where no job has a checkpoint yet the sweep waits", Situation::ready().job("research", "a", &[])),
        (
            "where no job matches the sweep waits",
            Situation::ready().edited(|spec| spec.targets.job_selector = Some(selector("team", "z"))),
        ),
        (
            "a job of another team is none of it",
            Situation::ready().job_at("research", "theirs", &[4], "b", |step| format!("pvc://runs/theirs/step-{step}")),
        ),
        (
            "the latest checkpoint alone",
            Situation::ready().edited(|spec| spec.targets.checkpoints = CheckpointChoice::Latest),
        ),
        (
            "the best checkpoint alone",
            Situation::ready().edited(|spec| spec.targets.checkpoints = CheckpointChoice::Best),
        ),
        ("models alone", Situation::ready().edited(only_models(&["bundled://quickstart-base"]))),
        (
            "a model that is named twice is one target",
            Situation::ready().edited(only_models(&["bundled://quickstart-base", "bundled://quickstart-base"])),
        ),
        (
            "jobs of a namespace that matches and is not open are left out",
            everywhere(
                Situation::ready()
                    .namespace("research", &[(OPT_IN, ALLOWED), ("ml", "yes")])
                    .namespace("secret", &[("ml", "yes")])
                    .job("secret", "b", &[8]),
            ),
        ),
        (
            "jobs of a namespace that this operator does not watch are left out",
            everywhere(
                Situation::ready()
                    .namespace("research", &[(OPT_IN, ALLOWED), ("ml", "yes")])
                    .namespace("far", &[(OPT_IN, ALLOWED), ("ml", "yes")])
                    .unwatched("far"),
            ),
        ),
        (
            "a checkpoint on a claim of another namespace is skipped with the reason",
            everywhere(
                Situation::ready()
                    .namespace("research", &[(OPT_IN, ALLOWED), ("ml", "yes")])
                    .namespace("other", &[(OPT_IN, ALLOWED), ("ml", "yes")])
                    .job("other", "b", &[8]),
            ),
        ),
        (
            "a checkpoint that lives in a pod is skipped with the reason",
            Situation::ready()
                .job_at("research", "b", &[8], "a", |step| format!("file:///var/lib/real/run/checkpoints/step-{step}")),
        ),
        (
            "checkpoints that come after the first cell started are not evaluated",
            Situation::started().later(10).job("research", "a", &[8, 16, 24]),
        ),
        (
            "checkpoints that come before the first cell started are",
            Situation::waiting().settled().later(10).job("research", "a", &[8, 16, 24]),
        ),
        (
            "another choice of targets chooses anew",
            Situation::started()
                .later(10)
                .job("research", "a", &[8, 16, 24])
                .edited(|spec| spec.targets.checkpoints = CheckpointChoice::Latest),
        ),
        (
            "a checkpoint that was removed before its cell started is skipped",
            Situation::started().later(10).job("research", "a", &[8]),
        ),
        (
            "a checkpoint that was written anew is another one",
            Situation::started().later(10).job_at("research", "a", &[], "a", |_| String::new()).rewritten(),
        ),
        (
            "of a job that lists as many as it can, an old checkpoint may still be there",
            Situation::started().later(10).job("research", "a", &[24, 32, 40, 48, 56, 64, 72, 80, 88, 96]),
        ),
        ("a job that is gone leaves its checkpoints where they are", Situation::started().later(10).without_jobs()),
    ]
}

pub(super) fn running() -> Vec<Case> {
    let queued = || Situation::ready().labelled(labels::KUEUE_QUEUE, "gpu").settled().later(60);
    let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
    let pulling = json!({"phase": "Pending", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "",
        "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]});
    let on_its_node = json!({"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}]});
    let runs = json!({"phase": "Running", "containerStatuses": [{"name": "trainer", "image": "", "imageID": "",
        "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    vec![
        ("a sweep whose cells run writes nothing", Situation::started().later(60)),
        ("the place of a cell that is done goes to the next", Situation::started().later(60).done(0, 4, 3)),
        (
            "places go to the target with the fewest cells under way",
            Situation::ready().job("research", "b", &[8, 16]).settled().later(60).done(0, 4, 1).done(1, 4, 2),
        ),
        (
            "fewer places than cells that run start none",
            Situation::started().edited(|spec| spec.parallelism = 1).later(1),
        ),
        ("cells that were created and are not seen yet take their places", {
            let mut case = Situation::ready();
            let plan = case.plan();
            case.carry_out(&plan);
            case.observed.started = case.observed.cells.iter().filter_map(|job| job.metadata.name.clone()).collect();
            case.observed.cells.clear();
            case
        }),
        ("pods that find no node are told", Situation::started().later(60).pod(0, 0, unscheduled.clone())),
        ("an image that cannot be pulled is told", Situation::started().later(60).pod(0, 0, pulling)),
        ("a pod that gets no further on its node says what its last event says", {
            let mut case = Situation::started().later(300).pod(0, 0, on_its_node);
            let pod = case.observed.pods[0].metadata.name.clone().unwrap();
            let note = "secret \"hub\" not found".to_owned();
            case.observed.pod_told = Some(crate::hindrance::PodEvent { pod, reason: "FailedMount".into(), note });
            case
        }),
        (
            "how one cell waits is no news while another runs",
            Situation::started().later(60).pod(0, 0, unscheduled).pod(1, 0, runs),
        ),
        ("a pool that is lost stops new starts alone", Situation::started().later(60).pool(false).done(0, 4, 4)),
        ("a namespace that was closed stops new starts alone", {
            Situation::started().later(60).namespace("research", &[]).done(0, 4, 4)
        }),
        (
            "a suite that is asked for no more is stopped",
            Situation::started().later(60).edited(|spec| spec.suites[0].storage_uri = "bundled://other".into()),
        ),
        (
            "how many pods share a cell changes nothing of what is done",
            Situation::started().later(60).edited(|spec| spec.suites[0].shards = 4),
        ),
        ("a Job that somebody deletes takes its place until it is gone", {
            let mut case = Situation::started().later(60);
            std::sync::Arc::make_mut(&mut case.observed.cells[0]).metadata.deletion_timestamp =
                Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(case.now));
            case
        }),
        ("a cell whose Job is gone is evaluated again", {
            let mut case = Situation::started().later(60);
            case.observed.cells.remove(0);
            case
        }),
        ("a status that is lost is made again of what is there", {
            let mut case = Situation::started().later(60);
            case.sweep.status = None;
            case
        }),
        ("cells that Kueue holds back say why, in its words", queued().kueue_says(0, "insufficient unused quota")),
        (
            "of cells that run and cells that wait for their queue both are told",
            queued().unqueued(0).kueue_says(1, "insufficient unused quota"),
        ),
        ("a cell whose quota was taken back says why", queued().kueue_stops(0, "Preempted to accommodate a workload")),
        ("a quota that is met while cells run is told", {
            Situation::started().later(60).done(0, 4, 3).refused("QuotaExceeded", "exceeded quota: jobs", false)
        }),
    ]
}

pub(super) fn endings() -> Vec<Case> {
    let tally = |n, joint| Tally { tasks: n, n, function: joint, quality: n, joint, ..Tally::default() };
    let words = |shard, tally| ShardWords::compose(Outcome::Done, shard, "", Some(tally));
    let sharded = || Situation::ready().edited(|spec| spec.suites[0].shards = 2).settled().later(60);
    let all = || Situation::ready().edited(|spec| spec.parallelism = 16).settled().later(60);
    vec![
        (
            "shards are added up before rates are made",
            sharded()
                .pod_ended(0, 0, (0, "Completed", &words(0, tally(1, 1))))
                .pod_ended(0, 1, (0, "Completed", &words(1, tally(3, 0))))
                .condition(0, "Complete", "", ""),
        ),
        (
            "a shard whose words are on their way is waited for",
            sharded()
                .pod_ended(0, 0, (0, "Completed", &words(0, tally(1, 1))))
                .condition(0, "Complete", "", "")
                .later(5),
        ),
        (
            "a shard that left nothing leaves the cell without a result",
            sharded()
                .pod_ended(0, 0, (0, "Completed", &words(0, tally(1, 1))))
                .condition(0, "Complete", "", "")
                .later(31),
        ),
        (
            "a shard that was tried twice counts once",
            Situation::started()
                .later(60)
                .pod_ended(0, 0, (1, "Error", ""))
                .renamed()
                .pod_ended(0, 0, (0, "Completed", &words(0, tally(2, 1))))
                .condition(0, "Complete", "", ""),
        ),
        ("what nobody could judge is no rate of nothing", {
            let lost = Tally { tasks: 4, dropped: 4, ..Tally::default() };
            Situation::started()
                .later(60)
                .pod_ended(0, 0, (0, "Completed", &words(0, lost)))
                .condition(0, "Complete", "", "")
        }),
        ("a model without room for any prompt has no result", {
            let none = Tally { left_out: 9, ..Tally::default() };
            Situation::started()
                .later(60)
                .pod_ended(0, 0, (0, "Completed", &words(0, none)))
                .condition(0, "Complete", "", "")
        }),
        ("a result outlives its pods", Situation::started().later(60).done(0, 4, 3).settled().without_pods().later(60)),
        ("all cells done is the end", all().done(0, 4, 1).done(1, 4, 3).done(2, 4, 2).done(3, 4, 3)),
        (
            "a cell that failed is told and the others go on",
            Situation::started().later(60).failed(0, 1, "the pool is gone"),
        ),
        (
            "a cell that cannot be evaluated says why",
            Situation::started().later(60).failed(0, 2, "no config.json in /mnt/real/runs"),
        ),
        (
            "a cell that was killed for memory says which limit",
            Situation::started().later(60).pod_ended(0, 0, (137, "OOMKilled", "")).condition(
                0,
                "Failed",
                "BackoffLimitExceeded",
                "",
            ),
        ),
        (
            "a cell that took too long says which limit",
            Situation::started().later(60).condition(0, "Failed", "DeadlineExceeded", "Job was active too long"),
        ),
        (
            "a failure whose pods are gone is told in the Job's words",
            Situation::started().later(60).condition(
                0,
                "Failed",
                "PodFailurePolicy",
                "Container trainer for pod research/x failed with exit code 2 matching FailJob rule at index 0",
            ),
        ),
        (
            "a cell that failed since its checkpoint was removed is skipped",
            Situation::started().later(60).job("research", "a", &[16]).failed(0, 2, "no such folder"),
        ),
        (
            "with as many failures as are allowed the rest goes on",
            Situation::started().edited(|spec| spec.failure_policy.max_failures = 1).later(60).failed(0, 1, "lost"),
        ),
        (
            "with one failure more the rest is skipped, and what runs goes on",
            Situation::started().edited(|spec| spec.failure_policy.max_failures = 0).later(60).failed(0, 1, "lost"),
        ),
        (
            "a sweep with too many failures has failed once nothing runs",
            Situation::started()
                .edited(|spec| spec.failure_policy.max_failures = 0)
                .later(60)
                .failed(0, 1, "lost")
                .settled()
                .done(1, 4, 4),
        ),
        (
            "a sweep of which every cell failed has evaluated nothing",
            all().failed(0, 1, "a").failed(1, 1, "b").failed(2, 1, "c").failed(3, 1, "d"),
        ),
        (
            "a sweep with some failures is complete",
            all().done(0, 4, 1).failed(1, 1, "lost").done(2, 4, 2).done(3, 4, 3),
        ),
        ("a table shows the best and the worst of many", {
            let seeds: Vec<String> = (1..=60).map(|seed| seed.to_string()).collect();
            let mut case = Situation::ready().job("research", "a", &[8]).edited(|spec| {
                spec.matrix =
                    vec![axis(AxisName::Temperature, &["0.5"]), MatrixAxis { name: AxisName::Seed, values: seeds }];
                spec.parallelism = 100;
            });
            case = case.settled().later(60);
            (0..60).fold(case, |case, nth| case.done(nth, 100, nth as u64))
        }),
    ]
}

pub(super) fn suspension() -> Vec<Case> {
    let suspend = |spec: &mut RealEvalSweepSpec| spec.suspend = true;
    vec![
        ("a sweep that is created suspended starts nothing", Situation::ready().edited(suspend)),
        ("a sweep that is suspended lets its cells end", Situation::started().edited(suspend).later(10)),
        (
            "the place of a cell that ends meanwhile stays free",
            Situation::started().edited(suspend).settled().later(10).done(0, 4, 3),
        ),
        (
            "once nothing runs the sweep is suspended",
            Situation::started().edited(suspend).settled().later(10).done(0, 4, 3).done(1, 4, 2),
        ),
        (
            "a sweep that is resumed goes on",
            Situation::started()
                .edited(suspend)
                .settled()
                .later(10)
                .done(0, 4, 3)
                .done(1, 4, 2)
                .settled()
                .edited(|spec| spec.suspend = false),
        ),
    ]
}

pub(super) fn finished() -> Vec<Case> {
    let done = || {
        let case = Situation::ready().edited(|spec| spec.parallelism = 16).settled().later(60);
        case.done(0, 4, 1).done(1, 4, 3).done(2, 4, 2).done(3, 4, 3).settled()
    };
    let ttl = |case: Situation| case.edited(|spec| spec.ttl_seconds_after_finished = Some(100)).settled();
    vec![
        ("a finished sweep writes nothing", done().later(3600)),
        ("a finished sweep waits for its time", ttl(done()).later(10)),
        ("a finished sweep is deleted once its time is over", ttl(done()).later(100)),
        (
            "a suite that is added to a finished sweep is evaluated",
            done().later(60).edited(|spec| {
                let mut other = spec.suites[0].clone();
                (other.name, other.storage_uri) = ("other".to_owned(), "bundled://other".to_owned());
                spec.suites.push(other);
            }),
        ),
        (
            "an edit that asks for nothing new leaves a finished sweep as it is",
            done().later(60).edited(|spec| spec.parallelism = 3),
        ),
        ("a Job of a finished sweep that somebody deletes is not made again", {
            let mut case = done().later(60);
            case.observed.cells.remove(0);
            case
        }),
        (
            "a failed sweep that is allowed more failures goes on",
            Situation::started()
                .edited(|spec| spec.failure_policy.max_failures = 0)
                .later(60)
                .failed(0, 1, "lost")
                .settled()
                .done(1, 4, 4)
                .settled()
                .edited(|spec| spec.failure_policy.max_failures = 5),
        ),
        ("what still runs of a sweep that failed is stopped", {
            Situation::started()
                .later(60)
                .edited(|spec| spec.suites[0].storage_uri = "hf://suite".into())
                .settled()
                .later(300)
                .settled_status()
        }),
        ("a sweep that is being deleted is left alone", {
            let mut case = Situation::started();
            case.sweep.metadata.deletion_timestamp =
                Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(case.now));
            case
        }),
    ]
}
