//! Sweeps that go on: at the times of a schedule, or with each checkpoint.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::v1alpha1::Concurrency;

use super::{Hindrance, Planner};
use crate::conditions::whole_seconds;
use crate::event::PlannedEvent;
use crate::sweep::schedule::{Due, due};
use crate::sweep::targets::chosen_by;

/// Reason of a sweep whose first time has not come.
pub(super) const NOT_YET_DUE: &str = "NotYetDue";

impl Planner<'_> {
    /// What the schedule asks for now. A time that comes while cells are to be done is left out, or replaces them.
    pub(super) fn due(&mut self) -> Due {
        let Some(schedule) = &self.sweep.spec.schedule else { return Due::Never };
        let last = self.previous.last_schedule_time.as_ref().map(|time| time.0);
        let created = self.sweep.metadata.creation_timestamp.as_ref().map_or(self.now, |time| time.0);
        let due = due(schedule, last, created, self.now);
        // Targets that are not kept were not begun with: what waits then waits for this very time.
        let open = self.previous.counts.as_ref().is_some_and(|counts| counts.waiting + counts.active > 0);
        let busy = open && !self.previous.targets.is_empty();
        match due {
            Due::Now(time) if busy && schedule.concurrency == Concurrency::Forbid => {
                self.plan.events.push(PlannedEvent {
                    warning: true,
                    reason: "TimeLeftOut".to_owned(),
                    note: format!(
                        "{} is left out: cells of {} are still to be done (spec.schedule.concurrency)",
                        whole_seconds(time),
                        last.map_or_else(|| "before".to_owned(), |last| whole_seconds(last).to_string())
                    ),
                    action: "Scheduling".to_owned(),
                });
                Due::LeftOut(time)
            }
            due => due,
        }
    }

    /// Writes down which time it is, and when the next one comes. A time whose targets are not `kept` stays due: what is in the way may
    /// pass.
    pub(super) fn note_the_schedule(&mut self, due: Due, kept: bool) {
        let status = &mut self.draft.status;
        match due {
            Due::Never => {
                (status.last_schedule_time, status.next_schedule_time) = (None, None);
                return;
            }
            Due::Now(time) if kept => status.last_schedule_time = Some(Time(time)),
            Due::LeftOut(time) => status.last_schedule_time = Some(Time(time)),
            Due::Now(_) | Due::Later(_) => {}
        }
        let next = self.next_time();
        self.draft.status.next_schedule_time = next.map(Time);
        if let Some(next) = next {
            self.look_again_at(next);
        }
    }

    fn next_time(&self) -> Option<Timestamp> {
        crate::sweep::schedule::next(self.sweep.spec.schedule.as_ref()?, self.now)
    }

    /// That the first time has not come yet.
    pub(super) fn not_yet(&self, due: Due) -> Option<Hindrance> {
        let chosen = self.previous.targets_for.as_deref() == Some(chosen_by(self.sweep).as_str());
        match due {
            Due::Later(at) if !chosen => {
                Some((NOT_YET_DUE, format!("the first time of spec.schedule is {}", whole_seconds(at))))
            }
            _ => None,
        }
    }

    /// Why a sweep all of whose cells came to their end is not finished, and what it waits for.
    pub(super) fn goes_on(&self) -> Option<(&'static str, String)> {
        if self.sweep.spec.follow {
            return Some(("Following", "the next checkpoint of the jobs is waited for".to_owned()));
        }
        self.sweep.spec.schedule.as_ref()?;
        let next = self.draft.status.next_schedule_time.as_ref();
        Some(match next {
            Some(next) => ("Scheduled", format!("the next time is {}", whole_seconds(next.0))),
            None => ("Scheduled", "spec.schedule has no further time".to_owned()),
        })
    }
}
