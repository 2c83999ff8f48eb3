//! Random walks: whatever happens in whatever order, some things always hold.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;
use real_crds::progress::Progress;
use real_crds::v1alpha1::RestartCounts;

use super::act::carry_out;
use super::pods::{again, creating, disrupted, done, exited, held_back, running};
use super::situation::{Pool, Situation};
use crate::job::Children;
use crate::job::ending::ending;
use crate::job::gang::is_over;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Operator,
    Later(i64),
    Suspend,
    Resume,
    Run,
    RunHalf,
    Fail(i32),
    AboutToFail,
    Preempt,
    Complete,
    DeleteJob,
    EndDeleted(i32),
    Gone,
    JobsGone,
    LosePool,
    FindPool,
    Refuse,
    Allow,
    LeaveQueue,
    BackIntoQueue,
    DeleteChildren,
    Edit,
    Report,
    Again(u32),
    HoldBack,
}

use Step::{
    AboutToFail, Again, Allow, BackIntoQueue, Complete, DeleteChildren, DeleteJob, Edit, EndDeleted, Fail, FindPool,
    Gone, HoldBack, JobsGone, Later, LeaveQueue, LosePool, Operator, Preempt, Refuse, Report, Resume, Run, RunHalf,
    Suspend,
};

/// What is nobody's failure.
const HARMLESS: [Step; 17] = [
    Later(1),
    Later(40),
    Later(4000),
    Suspend,
    Resume,
    Run,
    RunHalf,
    DeleteJob,
    EndDeleted(75),
    EndDeleted(1),
    Gone,
    JobsGone,
    LosePool,
    FindPool,
    DeleteChildren,
    Edit,
    Report,
];

const HARMFUL: [Step; 14] = [
    Fail(1),
    Fail(137),
    Fail(75),
    Fail(1),
    AboutToFail,
    Preempt,
    Complete,
    Refuse,
    Allow,
    LeaveQueue,
    BackIntoQueue,
    Again(1),
    Again(2),
    HoldBack,
];

/// Steps, with the operator's turn after about every second one.
fn steps(of: Vec<Step>, count: Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = any::<Index>().prop_map(move |index| *index.get(&of));
    prop::collection::vec(prop_oneof![step, Just(Operator)], count)
}

impl Situation {
    fn has_attempt(&self) -> bool {
        self.observed.jobs.iter().any(|job| job.metadata.deletion_timestamp.is_none() && ending(job, &[]).is_none())
    }

    fn is_deleting(&self) -> bool {
        self.observed.jobs.iter().any(|job| job.metadata.deletion_timestamp.is_some() && ending(job, &[]).is_none())
    }

    fn queued(&self) -> bool {
        let mut jobs = self.observed.jobs.iter();
        jobs.any(|job| job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)) && ending(job, &[]).is_none())
    }

    /// The step, where it can happen.
    fn step(self, step: Step) -> Self {
        match step {
            Later(seconds) => self.later(seconds),
            Suspend => self.suspended(),
            Resume => self.resumed(),
            LosePool => self.without_pool(),
            FindPool => self.pool(Pool::Ready { detectors: 2, sandboxes: 2 }),
            Refuse => self.refused("Forbidden", "it is forbidden"),
            Allow => self.allowed(),
            Gone => self.gone(),
            JobsGone => self.jobs_gone(),
            Edit => self.edited(|spec| spec.evaluation.every_steps += 1),
            DeleteChildren => {
                let mut situation = self;
                situation.observed.children = Children::default();
                situation
            }
            Report => {
                let attempt = self.job.status.as_ref().and_then(|status| status.attempt).unwrap_or(1);
                let step = self.now.as_second() as u64 % 100;
                self.says(Progress { attempt: attempt.into(), step, total_steps: 100, ..Progress::default() })
            }
            EndDeleted(code) if self.is_deleting() => {
                self.pods_of_deleted([exited(code), exited(code)]).failed_while_deleted()
            }
            _ if !self.has_attempt() => self,
            LeaveQueue => self.unqueued(),
            BackIntoQueue => self.queued_again(),
            Run if !self.queued() => self.pods([running(), running()]),
            RunHalf if !self.queued() => self.pods([running(), creating()]),
            Fail(code) => self.pods([exited(code), exited(143)]).job_failed(),
            Again(count) if !self.queued() => self.pods([again(count), running()]),
            HoldBack if !self.queued() => self.pods([held_back(1), running()]),
            AboutToFail => self.pods([exited(1), running()]).job_failing(),
            Preempt => {
                let pod = disrupted("PreemptionByScheduler", "preempting", 3, exited(143));
                self.pods([exited(143), pod]).job_failed()
            }
            Complete => self.pods([done(), done()]).job_complete(),
            DeleteJob => self.attempt_deleted(),
            _ => self,
        }
    }

    /// The operator's turn, watched.
    fn operator(mut self) -> Self {
        let plan = self.plan();
        let before = self.job.status.clone().unwrap_or_default();
        if plan.create.is_some() {
            let gangs = self.observed.jobs.iter().filter(|job| ending(job, &[]).is_none()).count();
            let pods = self.observed.pods.iter().filter(|pod| !is_over(pod)).count();
            assert_eq!((gangs, pods), (0, 0), "a second gang");
            assert!(!self.job.spec.suspend, "an attempt of a suspended job");
        }
        if let Some(after) = &plan.status {
            let old = before.restarts.clone().unwrap_or_default();
            let new = after.restarts.clone().unwrap();
            assert!(new.failures >= old.failures && new.preemptions >= old.preemptions, "counts went down");
            assert!(after.attempt >= before.attempt, "the attempt went down");
            let more = (new.failures, new.preemptions) != (old.failures, old.preemptions);
            let counted = plan.counted.is_some_and(counts) || plan.restarted > 0;
            assert_eq!(more, counted, "{:?} and {} restarts were counted", plan.counted, plan.restarted);
            assert!(after.conditions.len() <= 10 && !after.conditions.is_empty());
        }
        carry_out(&mut self, &plan);
        self
    }
}

fn counts(cause: crate::job::Cause) -> bool {
    use crate::job::Cause::{Checkpointed, Diverged, InvalidConfig};
    !matches!(cause, Checkpointed | Diverged | InvalidConfig)
}

fn walk(mut situation: Situation, steps: &[Step]) -> Situation {
    for step in steps {
        situation = match step {
            Operator => situation.operator(),
            step => situation.step(*step),
        };
    }
    situation
}

fn is_finished(situation: &Situation) -> bool {
    situation.job.status.as_ref().is_some_and(crate::job::status::is_finished)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// From wherever a walk has led, a job gets to its end once nothing hinders it.
    #[test]
    fn there_is_one_gang_at_a_time_and_always_a_way_to_the_end(
        steps in steps([HARMLESS.as_slice(), HARMFUL.as_slice()].concat(), 1..60),
        queued: bool,
    ) {
        let fresh = if queued { Situation::ppo().in_queue("gpu") } else { Situation::ppo() };
        let mut situation = walk(fresh, &steps);
        situation = walk(situation, &[Resume, Allow, FindPool]);
        for _ in 0..4 {
            situation = walk(situation, &[Gone, Later(4000), Operator, Operator, LeaveQueue, Run, Operator]);
            let stays = situation.observed.pods.iter().filter(|pod| !is_over(pod)).count();
            prop_assert!(stays <= 2, "{stays} pods");
            situation = walk(situation, &[Complete, Operator]);
        }
        prop_assert!(is_finished(&situation), "{:#?}", situation.plan());
    }

    #[test]
    fn suspension_and_deletion_by_hand_are_no_failures(steps in steps(HARMLESS.to_vec(), 1..80)) {
        // How long a rank may be silent is another matter.
        let patient = Situation::ppo().edited(|spec| spec.progress_deadline_seconds = 0);
        let situation = walk(patient, &steps).operator();
        let status = situation.job.status.clone().unwrap();
        prop_assert_eq!(status.restarts, Some(RestartCounts::default()));
        prop_assert!(!is_finished(&situation));
    }

    #[test]
    fn a_finished_job_stays_as_it_is(
        before in steps([HARMLESS.as_slice(), HARMFUL.as_slice()].concat(), 0..20),
        after in steps([HARMLESS.as_slice(), HARMFUL.as_slice()].concat(), 1..40),
    ) {
        let situation = walk(Situation::ready(), &before);
        let situation = walk(situation, &[Resume, Allow, FindPool, Gone, Later(4000), Operator, Operator, Complete, Operator]);
        prop_assume!(is_finished(&situation));
        let end = situation.job.status.clone().unwrap();
        let situation = walk(situation, &after);
        let status = situation.job.status.clone().unwrap();
        prop_assert_eq!((status.phase, status.completion_time), (end.phase, end.completion_time));
        prop_assert_eq!((status.attempt, status.restarts), (end.attempt, end.restarts));
        let plan = situation.plan();
        prop_assert!(plan.apply.is_empty() && plan.create.is_none() && plan.events.is_empty());
    }
}
