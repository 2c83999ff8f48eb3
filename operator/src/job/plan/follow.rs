//! An attempt that is there: on its way, running, or losing its pods.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::v1alpha1::{NodeCounts, Phase};

use super::{Planner, Poll, Verdict, after, gate, ready};
use crate::conditions::whole_seconds;
use crate::hindrance::{ASK_AGAIN_AFTER, NO_SCHEDULER, Slow, UNSCHEDULABLE, slow, unseen};
use crate::job::attempt::queue;
use crate::job::children::out_of_sync;
use crate::job::ending::{Cause, failing};
use crate::job::gang::{Gang, cut_off, gang, is_running};
use crate::job::observed::index;
use crate::job::status::{ALL_PODS_RUN, ATTEMPT_STARTED, SCHEDULED};
use crate::job::{Names, leaving};
use crate::labels::HTTP_PORT;
use crate::refusal::of_pods;

/// Until a Job has made its pods, nobody has to worry.
pub(crate) const NO_PODS_AFTER: u64 = 30;
/// The same where its controller has not looked at the Job yet: when many come at once it takes its time, and no admission is to
/// blame.
const NOT_TAKEN_UP_AFTER: u64 = 120;

impl Planner<'_> {
    pub(super) fn starting(&mut self) -> Verdict {
        self.draft.condition(SCHEDULED, false, "Starting", "");
        let (nodes, name) = (self.job.spec.trainer.nodes, Names(&self.job.name_any()).attempt(self.attempt));
        let message = format!(
            "attempt {}: waiting for {} of Job {name} to run",
            self.attempt,
            real_terminal::count(nodes, "pod")
        );
        (Phase::Starting, ATTEMPT_STARTED.to_owned(), message)
    }

    /// An attempt that is there and has not ended.
    pub(super) fn follow(&mut self, current: &Job) -> Verdict {
        self.plan.apply = out_of_sync(self.job, &self.observed.children, self.settings);
        self.draft.status.next_attempt_time = None;
        let pods = self.observed.pods_of(self.attempt);
        let taken_up = current.status.as_ref().and_then(|status| status.start_time.as_ref());
        let started = taken_up.or(current.metadata.creation_timestamp.as_ref()).map_or(self.now, |time| time.0);
        if let Some(message) = failing(current, &pods) {
            self.draft.condition(SCHEDULED, true, "Scheduled", "");
            self.draft.status.nodes = Some(NodeCounts::new(ready(&pods), self.nodes()));
            let message = format!("attempt {}: {message}; the other ranks are being stopped", self.attempt);
            return (Phase::Restarting, "RankFailed".to_owned(), message);
        }
        if current.spec.as_ref().and_then(|spec| spec.suspend) != Some(true)
            && let Some((pod, overdue)) = leaving::first(&pods, self.now)
        {
            return self.losing(pod, overdue, &pods);
        }
        if let Some(verdict) = self.restarts_in_vain() {
            return verdict;
        }
        let state = gang(current, &pods, self.job.spec.trainer.nodes);
        // A gang that ran once and lost a rank is about to be failed by its Job.
        let ran = self.previous.running_time.is_some();
        if !matches!(state, Gang::Queued | Gang::Running)
            && !ran
            && let Some(most) = self.job.spec.start_deadline_seconds
        {
            let deadline = after(started, most);
            if self.now >= deadline {
                let message =
                    format!("not all pods ran within {most} s (spec.startDeadlineSeconds): {}", hindrance(&state));
                return self.give_up(Cause::StartDeadlineExceeded, &message);
            }
            self.look_again_at(deadline);
        }
        // Small steps of a start that goes well are not worth a write each.
        let waits = pods.is_empty() && taken_up.is_none();
        let grown = after(started, if waits { NOT_TAKEN_UP_AFTER } else { NO_PODS_AFTER });
        // Since when its queue lets it start is not told before its controller has looked at it.
        let young = self.now < grown || (waits && queue(self.job).is_some());
        if !young {
            self.draft.status.nodes = Some(NodeCounts::new(ready(&pods), self.nodes()));
        } else if !matches!(state, Gang::Queued | Gang::Running) {
            self.look_again_at(grown);
        }
        match state {
            Gang::Queued => self.held_back(current),
            Gang::NoPods if young => self.starting(),
            Gang::NoPods => {
                self.draft.warning = true;
                let name = current.name_any();
                self.look_again_at(after(self.now, ASK_AGAIN_AFTER));
                if let Some(event) = &self.observed.pods_refused {
                    self.draft.condition(SCHEDULED, false, "PodsRefused", "");
                    let message = format!("{name} can make no pods: {}", of_pods(event));
                    return (Phase::Starting, "PodsRefused".to_owned(), message);
                }
                self.draft.condition(SCHEDULED, false, "NoPods", "");
                if waits {
                    let message = format!(
                        "no controller has looked at Job {name} for {NOT_TAKEN_UP_AFTER} s: does kube-controller-manager run?"
                    );
                    return (Phase::Starting, "NoPods".to_owned(), message);
                }
                let message = format!(
                    "{name} has made no pods for {NO_PODS_AFTER} s: a quota or an admission policy may refuse them, see \
                     `kubectl describe job {name}`"
                );
                (Phase::Starting, "NoPods".to_owned(), message)
            }
            Gang::Unscheduled { reason, message } => {
                self.draft.warning = reason == UNSCHEDULABLE;
                self.draft.condition(SCHEDULED, false, reason, message.clone());
                (Phase::Starting, reason.to_owned(), message)
            }
            Gang::Stuck { reason, mut message } => {
                self.draft.warning = true;
                if reason.contains("Image") {
                    message.push_str("; spec.trainer.image can be changed while spec.suspend is true");
                }
                self.draft.condition(SCHEDULED, true, "Scheduled", "");
                (Phase::Starting, reason, message)
            }
            Gang::Starting if ran => self.running(),
            Gang::Starting => self.on_the_way(&pods),
            Gang::Running => self.running(),
        }
    }

    /// Pods that nothing hinders, as far as their statuses say. After a while it is told what is known besides.
    fn on_the_way(&mut self, pods: &[&Pod]) -> Verdict {
        let Some(slow) = slow(pods.iter().copied(), self.observed.pod_told.as_ref(), self.now) else {
            return self.starting();
        };
        match slow {
            Slow::NotYet(late) => self.look_again_at(late),
            _ => self.look_again_at(after(self.now, ASK_AGAIN_AFTER)),
        }
        match slow {
            Slow::NotYet(_) | Slow::Silent => self.starting(),
            Slow::Unseen(pod) => {
                let patch = self.job.spec.trainer.pod_patch.as_ref();
                let why = unseen(&leaving::who(pod), patch.and_then(|patch| patch.scheduler_name.as_deref()));
                self.draft.warning = true;
                self.draft.condition(SCHEDULED, false, NO_SCHEDULER, "");
                let message =
                    format!("{why} spec.trainer.podPatch.schedulerName can be changed while spec.suspend is true");
                (Phase::Starting, NO_SCHEDULER.to_owned(), message)
            }
            Slow::Said(event) => {
                self.draft.warning = true;
                self.draft.condition(SCHEDULED, true, "Scheduled", "");
                let message = format!("attempt {}: {}: {}", self.attempt, event.pod, event.note);
                (Phase::Starting, event.reason.clone(), message)
            }
        }
    }

    pub(super) fn running(&mut self) -> Verdict {
        let nodes = self.nodes();
        let since = self.draft.status.running_time.get_or_insert(Time(whole_seconds(self.now))).0;
        self.draft.condition(SCHEDULED, true, "Scheduled", "");
        self.draft.status.nodes = Some(NodeCounts::new(nodes, nodes));
        let most = self.job.spec.progress_deadline_seconds;
        let pods = self.observed.pods_of(self.attempt);
        if most > 0 {
            // What it did before it was started again in its pod says nothing of it now.
            let since = self.again.as_ref().and_then(|again| again.since).map_or(since, |again| again.max(since));
            let report = self.observed.report.as_ref();
            let report = report.filter(|report| report.progress.attempt == u64::from(self.attempt));
            // An operator that has only begun has had no time to ask.
            let last = report.map_or(self.observed.acting_since, |report| Some(report.step_since));
            let deadline = after(last.map_or(since, |last| last.max(since)), most);
            if self.now >= deadline {
                let silent = if report.is_none() { "; rank 0 never answered on port 8080" } else { "" };
                let message = format!("no step for {most} s (spec.progressDeadlineSeconds){silent}");
                return self.give_up(Cause::Hung, &message);
            }
            self.look_again_at(deadline);
        }
        let first = pods.iter().find(|pod| index(pod) == Some(0) && is_running(pod));
        let address = first.and_then(|pod| pod.status.as_ref()?.pod_ip.clone());
        self.plan.poll = address.map(|address| Poll {
            attempt: self.attempt,
            url: if address.contains(':') {
                format!("http://[{address}]:{HTTP_PORT}/v1/progress")
            } else {
                format!("http://{address}:{HTTP_PORT}/v1/progress")
            },
        });
        if let Some((pod, since)) = pods.iter().find_map(|pod| Some((pod, cut_off(pod)?))) {
            let message = format!(
                "attempt {}: the node of {} is not heard of since {}: unless it comes back, the cluster deletes the pod when its tolerations \
                 end (by default after 5 minutes), and another attempt follows",
                self.attempt,
                leaving::who(pod),
                whole_seconds(since)
            );
            self.draft.warning = true;
            return (Phase::Running, "NodeNotReady".to_owned(), message);
        }
        let pool = self.job.spec.reward_pool_ref.as_ref();
        if let Some((_, problem)) = pool.and_then(|pool| gate::problem(&pool.name, self.observed.pool.as_ref())) {
            let message = format!("attempt {}: {nodes} of {nodes} pods run, but {problem}", self.attempt);
            self.draft.warning = true;
            return (Phase::Running, "RunningWithoutRewards".to_owned(), message);
        }
        (Phase::Running, ALL_PODS_RUN.to_owned(), format!("attempt {}: {nodes} of {nodes} pods run", self.attempt))
    }

    /// A pod is being deleted, and not by the attempt's end: drained, preempted, deleted by hand, or its node is lost. It may
    /// still run, so nothing follows before it has ended.
    fn losing(&mut self, pod: &Pod, overdue: bool, pods: &[&Pod]) -> Verdict {
        self.draft.condition(SCHEDULED, false, "PodTerminating", "");
        self.draft.status.nodes = Some(NodeCounts::new(ready(pods), self.nodes()));
        let who = leaving::describe(pod, self.now);
        let reason = if overdue { "PodStuckTerminating" } else { "PodTerminating" };
        if !overdue && let Some(end) = leaving::end(pod) {
            self.look_again_at(end);
        }
        let message = format!("attempt {}: {who}; another attempt follows once it has ended", self.attempt);
        (Phase::Restarting, reason.to_owned(), message)
    }
}

fn hindrance(state: &Gang) -> String {
    match state {
        Gang::NoPods => "the Job has made no pods".to_owned(),
        Gang::Unscheduled { message, .. } | Gang::Stuck { message, .. } => message.clone(),
        Gang::Queued | Gang::Starting | Gang::Running => "containers are still starting".to_owned(),
    }
}
