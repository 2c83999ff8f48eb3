//! Version `v1alpha1` of the API.

mod algorithm;
pub(crate) mod changes;
mod checkpoint;
mod datasets;
mod defaults;
mod eval_sweep;
mod matrix;
mod model;
mod pod_patch;
mod policy_gradient;
mod quantity;
mod reward;
mod reward_pool;
mod rules;
mod status;
mod sweep_status;
mod trainer;
mod training_job;

pub use algorithm::{Algorithm, Ppo, Sft};
pub use checkpoint::{Checkpoint, CheckpointStorage, ClaimStorage, ObjectStore};
pub use datasets::{Dataset, Datasets};
pub use eval_sweep::{
    CheckpointChoice, Concurrency, Evaluator, FailurePolicy, LabelSelector, RealEvalSweep, RealEvalSweepSpec,
    ResultsStore, Schedule, Suite, SweepModel, SweepResults, SweepTargets,
};
pub use matrix::{AxisName, MatrixAxis};
pub use model::{Lora, Model, SecretRef};
pub use pod_patch::{
    ConfigMapVolume, DnsConfig, DnsOption, DnsPolicy, EmptyDirVolume, EnvFrom, Helper, PodPatch, PodUsers,
    ResourceClaim, SecretVolume, Volume,
};
pub use policy_gradient::PolicyGradient;
pub use quantity::Quantity;
pub use reward::{Evaluation, Reward, Rollout};
pub use reward_pool::{
    Detector, Disruption, FleetStatus, Isolation, Network, PoolScaling, QueueLimits, QueueStatus, Replicas, RewardPool,
    RewardPoolSpec, RewardPoolStatus, Sandbox, SandboxLimits, ScalingMode,
};
pub use status::{
    CheckpointRecord, EvaluationRecord, Metric, NodeCounts, Phase, Progress, RealTrainingJobStatus, RestartCounts,
};
pub use sweep_status::{
    Cell, CellCounts, ConfigMapKey, RealEvalSweepStatus, SweepCheckpoint, SweepPhase, SweepTarget, TroubledCell,
};
pub use trainer::{EnvVar, EnvVarSource, KeySelector, Resources, Trainer};
pub use training_job::{ManagedBy, RealTrainingJob, RealTrainingJobSpec, RestartPolicy, RewardPoolRef};

/// API group of all kinds.
pub const GROUP: &str = "real-rl.dev";
/// This module's version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of all kinds of this module.
pub const API_VERSION: &str = "real-rl.dev/v1alpha1";
