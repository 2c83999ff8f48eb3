//! From a job that was just created to its first attempt.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::v1alpha1::{CheckpointStorage, Dataset, ManagedBy, ObjectStore, SecretRef};

use super::Case;
use super::situation::{Pool, Situation};

pub(super) fn cases() -> Vec<Case> {
    let evaluated_on = |situation: Situation, uri: &str| {
        let dataset = Dataset { name: "suite".into(), storage_uri: uri.into(), secret_ref: None, weight: 1.0 };
        situation.edited(|spec| spec.datasets.eval = vec![dataset])
    };
    let bucket = ObjectStore {
        uri: "s3://bucket/ppo".into(),
        secret_ref: Some(SecretRef { name: "store".into() }),
        timeout_seconds: 600,
    };
    let mut long = Situation::ready();
    long.job.metadata.name = Some("p".repeat(48));
    let mut leaving = Situation::ready();
    leaving = leaving.edit_pool(|pool| pool.metadata.deletion_timestamp = Some(Time(pool_deleted())));
    vec![
        ("a job whose pool does not exist waits for it", Situation::ppo()),
        ("a job whose pool has no status yet waits for it", Situation::ppo().pool(Pool::New)),
        (
            "a job whose pool is not ready waits and says what the pool says",
            Situation::ppo().pool(Pool::NotReady("0 of 1 detectors are ready")),
        ),
        (
            "a job whose pool has too few sandboxes waits until they are warm",
            Situation::ppo()
                .pool(Pool::Ready { detectors: 1, sandboxes: 3 })
                .edit_pool(|pool| pool.spec.sandbox.scaling.warm_replicas = 4),
        ),
        (
            "a pool that may go to zero still needs a replica of each fleet before a start",
            Situation::ppo()
                .pool(Pool::Ready { detectors: 0, sandboxes: 1 })
                .edit_pool(|pool| pool.spec.detector.scaling.warm_replicas = 0),
        ),
        ("a pool that is being deleted counts as absent", leaving),
        ("a job whose pool is ready starts its first attempt", Situation::ready()),
        (
            "a job that waited starts once its pool is ready",
            Situation::ppo().settled().later(300).pool(Pool::Ready { detectors: 1, sandboxes: 1 }),
        ),
        ("a job that waits and learns nothing new writes nothing", Situation::ppo().settled().later(300)),
        ("supervised fine-tuning without evaluations needs no pool", Situation::sft()),
        (
            "an evaluation needs a pool, whatever the algorithm",
            evaluated_on(Situation::sft(), "bundled://quickstart-eval"),
        ),
        ("PPO without a pool goes no further", Situation::ready().edited(|spec| spec.reward_pool_ref = None)),
        (
            "a model that nobody fetches goes no further",
            Situation::ready().edited(|spec| spec.model.storage_uri = "https://example.org/model".into()),
        ),
        (
            "a data set that nobody fetches goes no further",
            evaluated_on(Situation::ready(), "s3://bucket"),
        ),
        (
            "a claim without a path in it goes no further",
            Situation::ready().edited(|spec| spec.model.storage_uri = "pvc://models".into()),
        ),
        (
            "checkpoints that go to a bucket need no claim, and their Secret is mounted",
            Situation::ready().edited(|spec| {
                let bucket = CheckpointStorage { persistent_volume_claim: None, object_store: Some(bucket) };
                spec.checkpoint.storage = Some(bucket);
            }),
        ),
        (
            "a job that was mended starts",
            evaluated_on(Situation::ready(), "hf://suite").settled().later(60).edited(|spec| spec.datasets.eval.clear()),
        ),
        ("a model in a volume is no obstacle", {
            Situation::ready().edited(|spec| spec.model.storage_uri = "pvc://models/qwen".into())
        }),
        ("a job that MultiKueue manages says so and is left alone", {
            Situation::ready().edited(|spec| spec.managed_by = Some(ManagedBy::MultiKueue))
        }),
        (
            "a job whose other controller has said something is left alone",
            Situation::ready()
                .edited(|spec| spec.managed_by = Some(ManagedBy::MultiKueue))
                .settled_status()
                .later(60)
                .edited(|spec| spec.suspend = true),
        ),
        ("a job that names this operator is its own", {
            Situation::ready().edited(|spec| spec.managed_by = Some(ManagedBy::Operator))
        }),
        ("a name of 48 characters still fits into every name that is made of it", long),
        (
            "a quota that forbids the Job is named and the Job tried again",
            Situation::ready().refused(
                "QuotaExceeded",
                "jobs.batch \"ppo-1\" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: 5, limited: 5",
            ),
        ),
        (
            "a namespace that is being deleted takes nothing new",
            Situation::ready().refused(
                "NamespaceTerminating",
                "services \"ppo\" is forbidden: unable to create new content in namespace research because it is being terminated",
            ),
        ),
        (
            "a child whose name someone else has taken is not taken over",
            Situation::ready().refused("AlreadyExists", "services \"ppo\" already exists and is not this job's"),
        ),
        (
            "an attempt that the server never takes is not accepted, though its pool is not ready",
            Situation::ppo().refused_for_good(INVALID),
        ),
        (
            "a refusal for good is asked about again after a while",
            Situation::ready().refused_for_good(INVALID).settled_status().later(61),
        ),
        (
            "a refusal for good that nobody mends fails the job",
            Situation::ready().refused_for_good(INVALID).settled_status().later(300),
        ),
        (
            "an edit gives as long again",
            Situation::ready()
                .refused_for_good(INVALID)
                .settled_status()
                .later(299)
                .edited(|spec| spec.trainer.env.clear())
                .refused_for_good(INVALID)
                .settled_status()
                .later(30),
        ),
        (
            "a job that was mended after a refusal for good starts",
            Situation::ready()
                .refused_for_good(INVALID)
                .settled_status()
                .later(60)
                .edited(|spec| spec.trainer.env.clear()),
        ),
        (
            "a source that nobody fetches fails the job unless it is mended",
            evaluated_on(Situation::ready(), "hf://suite").settled().later(300),
        ),
        (
            "a job whose place for checkpoints is another's waits and says whose",
            Situation::ready().place_held_by("elder"),
        ),
        ("a job in a queue of a cluster without Kueue says so", Situation::ready().in_queue("gpu").without_kueue()),
        (
            "a refusal that is unchanged is not written again",
            Situation::ready().refused("QuotaExceeded", "exceeded quota").settled_status().later(30),
        ),
        (
            "a job that was refused starts once the quota allows it",
            Situation::ready().refused("QuotaExceeded", "exceeded quota").settled_status().later(30).allowed(),
        ),
    ]
}

const INVALID: &str = "spec.trainer.resourcesPerNode: the API server refuses it: \
    spec.template.spec.containers[0].resources.requests: Invalid value: \"32Gi\"";

fn pool_deleted() -> jiff::Timestamp {
    super::situation::BEGINNING.parse().unwrap()
}
