//! Sweeps with a schedule, and those that follow.

use real_crds::v1alpha1::{CheckpointChoice, ClaimStorage, Concurrency, Schedule, SweepResults};

use super::Case;
use super::situation::Situation;
use super::situations::only_models;

const HOUR: i64 = 3600;

/// Nightly; the first time is 14 hours after the sweep was created.
fn scheduled(concurrency: Concurrency) -> Situation {
    Situation::ready().edited(|spec| {
        spec.parallelism = 16;
        spec.schedule = Some(Schedule {
            cron: "0 3 * * *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            concurrency,
            starting_deadline_seconds: None,
        });
    })
}

/// The cells of the first night run.
fn first_night(concurrency: Concurrency) -> Situation {
    scheduled(concurrency).settled().later(14 * HOUR).settled()
}

/// They are done.
fn after_the_first_night() -> Situation {
    let night = first_night(Concurrency::Forbid);
    (0..4).fold(night.later(600), |case, nth| case.done(nth, 4, nth as u64)).settled()
}

fn following() -> Situation {
    Situation::ready()
        .edited(|spec| {
            spec.parallelism = 16;
            spec.targets.checkpoints = CheckpointChoice::Latest;
            spec.follow = true;
        })
        .settled()
        .later(60)
}

pub(super) fn cases() -> Vec<Case> {
    let followed = || following().done(0, 4, 1).done(1, 4, 2).settled().later(60);
    let edited_cron = |cron: &'static str| {
        scheduled(Concurrency::Forbid).edited(move |spec| {
            spec.schedule.get_or_insert_with(|| unreachable!("it has one")).cron = cron.to_owned();
        })
    };
    vec![
        ("a sweep that follows evaluates what is there", following()),
        ("a sweep that follows waits for more once everything is done", following().done(0, 4, 1).done(1, 4, 2)),
        (
            "a checkpoint that appears is evaluated beside what was, which stays",
            followed().job("research", "a", &[8, 16, 24]),
        ),
        ("a job that appears is followed too", followed().job("research", "b", &[4])),
        (
            "a checkpoint that went before its cell started is skipped, and the sweep goes on",
            followed().edited(|spec| spec.parallelism = 1).settled().job("research", "a", &[16, 24]).settled().job(
                "research",
                "a",
                &[16, 32],
            ),
        ),
        (
            "too many failures end a sweep that follows",
            following()
                .edited(|spec| spec.failure_policy.max_failures = 0)
                .settled()
                .failed(0, 1, "no")
                .failed(1, 1, "no"),
        ),
        (
            "a sweep whose results are kept has an index once everything is done",
            following()
                .edited(|spec| {
                    let claim = ClaimStorage { claim_name: "results".to_owned(), sub_path: None };
                    spec.results = Some(SweepResults { persistent_volume_claim: Some(claim), object_store: None });
                })
                .settled()
                .done(0, 4, 1)
                .done(1, 4, 2),
        ),
        ("a sweep that follows no more finishes", followed().edited(|spec| spec.follow = false)),
        ("a sweep with a schedule waits for its first time", scheduled(Concurrency::Forbid)),
        ("at its first time it starts", scheduled(Concurrency::Forbid).settled().later(14 * HOUR)),
        (
            "a pool that is not ready at that time is waited for",
            scheduled(Concurrency::Forbid).pool(false).settled().later(14 * HOUR).settled().later(60).pool(true),
        ),
        ("between two times it waits", after_the_first_night().later(HOUR)),
        ("a checkpoint that has a result keeps it at the next time", after_the_first_night().later(24 * HOUR)),
        (
            "a new checkpoint is evaluated at the next time",
            after_the_first_night().job("research", "a", &[8, 16, 24]).later(24 * HOUR),
        ),
        (
            "times that were missed are made up for once",
            after_the_first_night().job("research", "a", &[8, 16, 24]).later(5 * 24 * HOUR),
        ),
        (
            "a model is evaluated once more each time: it may have changed",
            scheduled(Concurrency::Forbid)
                .edited(only_models(&["bundled://quickstart-base"]))
                .settled()
                .later(14 * HOUR)
                .settled()
                .done(0, 4, 1)
                .done(1, 4, 2)
                .settled()
                .later(24 * HOUR),
        ),
        ("a time that comes while cells run is left out", first_night(Concurrency::Forbid).later(24 * HOUR)),
        (
            "a time that comes while cells run replaces what is not asked for any more",
            first_night(Concurrency::Replace).job("research", "a", &[16, 24]).later(24 * HOUR),
        ),
        ("a schedule that is none is refused in words", edited_cron("0 25 * * *")),
        ("a schedule that never comes is refused in words", edited_cron("0 0 30 2 *")),
        (
            "a time zone that does not exist is refused in words",
            scheduled(Concurrency::Forbid).edited(|spec| {
                spec.schedule.get_or_insert_with(|| unreachable!("it has one")).time_zone = "Mars/Olympus".to_owned();
            }),
        ),
    ]
}
