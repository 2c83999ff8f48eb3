//! What the schema lets through and a cluster cannot run.

use real_crds::v1alpha1::RealEvalSweep;

use super::cron::Cron;
use super::schedule::zone;
use crate::source::Purpose;

/// Why a sweep cannot run as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Looks for what would make every cell of some kind fail.
pub(super) fn check(sweep: &RealEvalSweep) -> Result<(), Rejection> {
    let spec = &sweep.spec;
    let models = spec.targets.models.iter().enumerate();
    let models =
        models.map(|(i, model)| (format!("spec.targets.models[{i}].storageUri"), &model.storage_uri, Purpose::Target));
    let suites = spec.suites.iter().enumerate();
    let suites = suites.map(|(i, suite)| (format!("spec.suites[{i}].storageUri"), &suite.storage_uri, Purpose::Data));
    for (field, uri, purpose) in models.chain(suites) {
        if let Some(message) = crate::source::problem(uri, purpose) {
            let message = format!("{field} is {uri}: {message}");
            return Err(Rejection { reason: "UnsupportedSource".to_owned(), message });
        }
    }
    if spec.reward_pool_ref.is_none() {
        let message = "spec.rewardPoolRef is missing: answers are judged by a RewardPool of spec.runNamespace";
        return Err(Rejection { reason: "RewardPoolRequired".to_owned(), message: message.to_owned() });
    }
    if let Some(schedule) = &spec.schedule {
        let invalid = |message: String| Rejection { reason: "InvalidSchedule".to_owned(), message };
        Cron::parse(&schedule.cron)
            .map_err(|problem| invalid(format!("spec.schedule.cron is \"{}\": {problem}", schedule.cron)))?;
        zone(schedule).map_err(|problem| invalid(format!("spec.schedule.timeZone: {problem}")))?;
    }
    Ok(())
}
