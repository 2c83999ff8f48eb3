//! What a run began with. A run that goes on with something else says so: its sizes may be the same.

use real_sources::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::model::Decoder;

/// Values of each tensor that are looked at: weights that were trained on, or drawn anew, differ in all.
const VALUES: i64 = 16;

/// Short digests, part of checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Origin {
    /// Of the weights that the policy is held to, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of the usable entries of each data set, in order.
    pub data: Vec<String>,
}

impl Origin {
    /// Whether this is not what a checkpoint's run began with: what a person is told then, reason and sentence.
    pub fn differences(&self, earlier: &Self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let pairs = (1..).zip(self.data.iter().zip(&earlier.data));
        let other: Vec<String> = pairs.filter(|(_, (a, b))| a != b).map(|(number, _)| number.to_string()).collect();
        if !other.is_empty() {
            let sentence = format!(
                "the checkpoint's run had other data: of its data sets (counted from 1) {} has as many usable entries as now, \
                 and other ones or in another order",
                other.join(", ")
            );
            found.push(("DataChanged", sentence));
        }
        if let (Some(now), Some(earlier)) = (&self.reference, &earlier.reference)
            && now != earlier
        {
            let sentence = "the checkpoint's run began with other weights than those of spec.model.storageUri: the policy is held to \
                            those now, and its divergence counts from them";
            found.push(("ReferenceChanged", sentence.to_owned()));
        }
        found
    }
}

/// The digest of a data set's entries.
pub fn of_entries<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>) -> String {
    let mut hasher = Sha256::new();
    for entry in entries {
        let entry = entry.as_ref();
        hasher.update((entry.len() as u64).to_le_bytes());
        hasher.update(entry);
    }
    short(hasher)
}

/// The digest of a model's parameters: their names and shapes, and the first values of each.
pub fn of_weights(model: &Decoder) -> String {
    let mut hasher = Sha256::new();
    for (name, tensor) in model.named_parameters() {
        hasher.update(format!("{name} {:?}\n", tensor.size()));
        for value in first_values(tensor) {
            hasher.update(value.to_le_bytes());
        }
    }
    short(hasher)
}

fn first_values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().reshape([-1]);
    let first = flat.narrow(0, 0, flat.size()[0].min(VALUES)).to_kind(Kind::Float).to_device(Device::Cpu);
    Vec::try_from(first).unwrap_or_default()
}

fn short(hasher: Sha256) -> String {
    hex(&hasher.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_the_same_only_in_the_same_order_and_with_the_same_ends() {
        let of = |entries: &[&str]| of_entries(entries);
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        for other in [&["c", "ab"][..], &["a", "bc"], &["ab"], &["ab", "c", ""]] {
            assert_ne!(of(&["ab", "c"]), of(other));
        }
    }

    #[test]
    fn what_differs_is_said_and_what_is_not_known_is_not() {
        let origin = |reference: Option<&str>, data: &[&str]| Origin {
            reference: reference.map(str::to_owned),
            data: data.iter().map(|digest| (*digest).to_owned()).collect(),
        };
        let now = origin(Some("m"), &["a", "b"]);
        assert!(now.differences(&now).is_empty() && now.differences(&origin(None, &["a", "b"])).is_empty());
        let said = now.differences(&origin(Some("n"), &["a", "c"]));
        assert_eq!(said.iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), ["DataChanged", "ReferenceChanged"]);
        assert!(said[0].1.contains("(counted from 1) 2 has"), "{}", said[0].1);
    }
}
