//! Labels, annotations and field managers of everything the operator makes.

/// Marks every object the operator made; its watches select on it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const OPERATOR: &str = "real-operator";
/// What an object belongs to: [`TRAINER`], [`EVALUATOR`], [`DETECTOR`] or [`SANDBOX`].
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Pods of training jobs.
pub const TRAINER: &str = "trainer";
/// Pods of a pool's detectors.
pub const DETECTOR: &str = "detector";
/// Pods of a pool's sandboxes.
pub const SANDBOX: &str = "sandbox";
/// Pods of a sweep's cells.
pub const EVALUATOR: &str = "evaluator";
/// Name of the `RealEvalSweep`.
pub const SWEEP: &str = "real-rl.dev/sweep";
/// Name of the `RealTrainingJob`.
pub const JOB: &str = "real-rl.dev/job";
/// Number of the attempt, from 1.
pub const ATTEMPT: &str = "real-rl.dev/attempt";
/// Name of the `RewardPool`.
pub const POOL: &str = "real-rl.dev/pool";

/// API group of Kueue.
pub const KUEUE: &str = "kueue.x-k8s.io";
/// Kueue's queue; copied from a training job or a sweep to its child Jobs.
pub const KUEUE_QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// Kueue's priority class; copied likewise.
pub const KUEUE_PRIORITY: &str = "kueue.x-k8s.io/priority-class";

/// By how much the priority of a Workload of Kueue is above that of its class (KEP-7990).
pub const KUEUE_BOOST: &str = "kueue.x-k8s.io/priority-boost";

/// Field manager of children and of statuses.
pub const MANAGER: &str = "real-operator";

/// Port of a pod's HTTP API: progress of a trainer, analysis, tests.
pub const HTTP_PORT: i32 = 8080;
/// Port at which the ranks of a training job meet.
pub const RENDEZVOUS_PORT: i32 = 29_500;
