//! Labels and their values.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use real_crds::v1alpha1::{CellCounts, Phase, SweepPhase};

/// An enum whose variants are written as fixed texts.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                encoder.write_str(self.as_str())
            }
        }
    };
}

label! {
    /// A controller.
    Controller {
        /// Of `RealTrainingJob`s.
        Job = "job",
        /// Of the progress of running jobs.
        Progress = "progress",
        /// Of `RewardPool`s.
        Pool = "pool",
        /// Of `RealEvalSweep`s.
        Sweep = "sweep",
    }
}

label! {
    /// Why a reconcile failed.
    Reason {
        /// The object was changed meanwhile (409).
        Conflict = "conflict",
        /// An object is not there (404).
        NotFound = "not_found",
        /// The operator may not do that (401, 403).
        Forbidden = "forbidden",
        /// The API server refused an object (400, 422).
        Invalid = "invalid",
        /// The API server is overloaded (429).
        Throttled = "throttled",
        /// The API server failed (5xx).
        Server = "server",
        /// The API server could not be reached, or its answer not be read.
        Transport = "transport",
        /// The lease is not held.
        NotLeader = "not_leader",
        /// A finalizer could not be added or removed.
        Finalizer = "finalizer",
        /// The HTTP API of a pod did not answer as it should.
        Pod = "pod",
        /// A configuration could not be rendered.
        Render = "render",
        /// Anything else.
        Other = "other",
    }
}

impl Reason {
    /// The reason of a failed call.
    pub fn of(error: &kube::Error) -> Self {
        use kube::Error;
        match error {
            Error::Api(status) => match status.code {
                409 => Self::Conflict,
                404 | 410 => Self::NotFound,
                401 | 403 => Self::Forbidden,
                400 | 413 | 415 | 422 => Self::Invalid,
                429 => Self::Throttled,
                500..=599 => Self::Server,
                _ => Self::Other,
            },
            Error::Service(error) if error.is::<crate::lease::NotLeader>() => Self::NotLeader,
            Error::HyperError(_)
            | Error::Service(_)
            | Error::FromUtf8(_)
            | Error::LinesCodecMaxLineLengthExceeded
            | Error::ReadEvents(_)
            | Error::HttpError(_)
            | Error::SerdeError(_) => Self::Transport,
            _ => Self::Other,
        }
    }
}

label! {
    /// Why a training job starts again.
    Cause {
        /// A pod failed or the trainer hung.
        Failure = "failure",
        /// A pod was preempted, evicted or its node lost.
        Preemption = "preemption",
    }
}

label! {
    /// A fleet of a reward pool.
    Role {
        /// The detectors.
        Detector = "detector",
        /// The sandboxes.
        Sandbox = "sandbox",
    }
}

label! {
    /// Which replicas of a fleet.
    ReplicaState {
        /// Those that are wanted.
        Desired = "desired",
        /// Those that exist.
        Current = "current",
        /// Those that are ready.
        Ready = "ready",
    }
}

label! {
    /// What a request asks of the API server.
    Verb {
        /// Read one.
        Get = "get",
        /// Read many.
        List = "list",
        /// Be told of changes.
        Watch = "watch",
        /// Make one.
        Create = "create",
        /// Replace one.
        Update = "update",
        /// Change one.
        Patch = "patch",
        /// Delete one or many.
        Delete = "delete",
        /// Anything else.
        Other = "other",
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// By this HTTP status.
    Status(u16),
    /// Not at all.
    Error,
}

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.encode(encoder),
            Self::Error => encoder.write_str("error"),
        }
    }
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Well.
    Success,
    /// The object had changed meanwhile: it is looked at again.
    Outdated,
    /// With an error.
    Error(Reason),
    /// Not at all: it was dropped.
    Cancelled,
}

/// All phases.
pub(super) const PHASES: [Phase; 9] = [
    Phase::Pending,
    Phase::Queued,
    Phase::Starting,
    Phase::Running,
    Phase::Suspending,
    Phase::Suspended,
    Phase::Restarting,
    Phase::Succeeded,
    Phase::Failed,
];

/// A phase as a status has it.
pub(super) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Queued => "Queued",
        Phase::Starting => "Starting",
        Phase::Running => "Running",
        Phase::Suspending => "Suspending",
        Phase::Suspended => "Suspended",
        Phase::Restarting => "Restarting",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

/// All phases of a sweep.
pub(super) const SWEEP_PHASES: [SweepPhase; 7] = [
    SweepPhase::Pending,
    SweepPhase::Running,
    SweepPhase::Waiting,
    SweepPhase::Suspending,
    SweepPhase::Suspended,
    SweepPhase::Succeeded,
    SweepPhase::Failed,
];

/// A phase of a sweep as a status has it.
pub(super) const fn sweep_phase(phase: SweepPhase) -> &'static str {
    match phase {
        SweepPhase::Pending => "Pending",
        SweepPhase::Running => "Running",
        SweepPhase::Waiting => "Waiting",
        SweepPhase::Suspending => "Suspending",
        SweepPhase::Suspended => "Suspended",
        SweepPhase::Succeeded => "Succeeded",
        SweepPhase::Failed => "Failed",
    }
}

/// Cells of a sweep by state.
pub(super) const fn cells(counts: &CellCounts) -> [(&'static str, u32); 5] {
    [
        ("waiting", counts.waiting),
        ("active", counts.active),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Cells {
    pub(super) sweep: String,
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileResult {
    pub(super) controller: Controller,
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileError {
    pub(super) controller: Controller,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByController {
    pub(super) controller: Controller,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByPhase {
    pub(super) phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByCause {
    pub(super) cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Job {
    pub(super) namespace: String,
    pub(super) job: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Pool {
    pub(super) namespace: String,
    pub(super) pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Fleet {
    pub(super) namespace: String,
    pub(super) pool: String,
    pub(super) role: Role,
    pub(super) state: ReplicaState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Waiting {
    pub(super) namespace: String,
    pub(super) pool: String,
    pub(super) fleet: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ApiCall {
    pub(super) verb: Verb,
    pub(super) kind: &'static str,
    pub(super) code: Code,
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn phases_are_written_as_in_a_status() {
        for value in PHASES {
            assert_eq!(serde_json::to_value(value).unwrap(), phase(value));
        }
        for value in SWEEP_PHASES {
            assert_eq!(serde_json::to_value(value).unwrap(), sweep_phase(value));
        }
    }

    #[test]
    fn every_failed_call_has_a_reason() {
        let rows = [
            (409, Reason::Conflict),
            (404, Reason::NotFound),
            (410, Reason::NotFound),
            (401, Reason::Forbidden),
            (403, Reason::Forbidden),
            (422, Reason::Invalid),
            (429, Reason::Throttled),
            (500, Reason::Server),
            (503, Reason::Server),
            (418, Reason::Other),
        ];
        for (code, reason) in rows {
            let error = kube::Error::Api(Status { code, ..Status::default() }.boxed());
            assert_eq!(Reason::of(&error), reason, "{code}");
        }
        assert_eq!(Reason::of(&kube::Error::Service(Box::new(crate::lease::NotLeader))), Reason::NotLeader);
        assert_eq!(Reason::of(&kube::Error::Service("no route".into())), Reason::Transport);
    }
}
