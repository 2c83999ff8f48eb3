//! What the schema lets through and a cluster cannot run.

use real_crds::config::BUNDLED_MODELS;
use real_crds::v1alpha1::RealTrainingJob;

use crate::source::{self, Purpose};

/// Why a job cannot run as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Looks for what would make every attempt fail.
pub(super) fn check(job: &RealTrainingJob) -> Result<(), Rejection> {
    let spec = &job.spec;
    let data = |list: &str, sets: &[real_crds::v1alpha1::Dataset]| -> Vec<(String, String, Purpose)> {
        sets.iter()
            .enumerate()
            .map(|(i, set)| (format!("spec.datasets.{list}[{i}].storageUri"), set.storage_uri.clone(), Purpose::Data))
            .collect()
    };
    let mut sources = vec![("spec.model.storageUri".to_owned(), spec.model.storage_uri.clone(), Purpose::Model)];
    sources.extend(data("train", &spec.datasets.train));
    sources.extend(data("eval", &spec.datasets.eval));
    for (field, uri, purpose) in sources {
        if let Some(message) = source::problem(&uri, purpose) {
            let message = format!("{field} is {uri}: {message}");
            return Err(Rejection { reason: "UnsupportedSource".to_owned(), message });
        }
    }
    // An image of the user's may have others.
    if let Some(name) = spec.model.storage_uri.strip_prefix("bundled://").filter(|_| spec.trainer.image.is_none())
        && !BUNDLED_MODELS.contains(&name)
    {
        let known = BUNDLED_MODELS.join(", bundled://");
        let message =
            format!("spec.model.storageUri is bundled://{name}: the trainer has no such model, but bundled://{known}");
        return Err(Rejection { reason: "UnsupportedSource".to_owned(), message });
    }
    let judged = spec.algorithm.sft.is_none() || !spec.datasets.eval.is_empty();
    if judged && spec.reward_pool_ref.is_none() {
        return Err(Rejection {
            reason: "RewardPoolRequired".to_owned(),
            message: "spec.rewardPoolRef is missing: reinforcement learning and evaluations need a RewardPool of this namespace"
                .to_owned(),
        });
    }
    Ok(())
}
