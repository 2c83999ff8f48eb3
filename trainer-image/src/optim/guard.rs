//! What is not finite is not learnt from: updates with such a loss or gradient are skipped and counted, and too many in a
//! row end the run.

use tch::{Kind, Tensor};

/// Decides whether a model is updated. One for each model that learns, for the whole run.
#[derive(Debug)]
pub struct Guard {
    model: &'static str,
    /// Skipped updates in a row that are bearable.
    most: u64,
    in_a_row: u64,
    /// Updates of the present step that were skipped, and why the first of them was.
    skipped: u64,
    first: Option<(&'static str, f64)>,
}

/// A run whose losses or gradients have stopped being finite.
#[derive(Debug, thiserror::Error)]
#[error(
    "step {step}: {term} of the {model} is {value}, and {updates} updates in a row could not be made for such a reason \
     (maxSkippedUpdates allows {most}): training has diverged, and the same configuration would diverge again; a lower \
     learning rate or maxGradNorm may help, from a checkpoint of an earlier step (spec.checkpoint.resumeFrom)"
)]
pub struct Diverged {
    /// Optimisation step, from 1.
    pub step: u64,
    /// Which model: `actor`, `critic`.
    pub model: &'static str,
    /// What is not finite.
    pub term: &'static str,
    /// NaN, or an infinity.
    pub value: f64,
    /// Updates that were skipped one after the other.
    pub updates: u64,
    /// How many were allowed.
    pub most: u64,
}

impl Guard {
    /// Of a model that is called `model` in messages; `most` updates in a row may be skipped.
    pub fn new(model: &'static str, most: u64) -> Self {
        Self { model, most, in_a_row: 0, skipped: 0, first: None }
    }

    /// Whether an update with these terms (name and value) may be made; where not, it is counted.
    ///
    /// # Errors
    /// It may not, and one too many before it neither.
    pub fn admits(&mut self, step: u64, terms: &[(&'static str, f64)]) -> Result<bool, Diverged> {
        let Some(&(term, value)) = terms.iter().find(|(_, value)| !value.is_finite()) else {
            self.in_a_row = 0;
            return Ok(true);
        };
        self.in_a_row += 1;
        self.skipped += 1;
        self.first.get_or_insert((term, value));
        if self.in_a_row > self.most {
            let (model, updates, most) = (self.model, self.in_a_row, self.most);
            return Err(Diverged { step, model, term, value, updates, most });
        }
        Ok(false)
    }

    /// How many updates of a step were skipped, and a sentence about them where there were any. The next step starts at 0.
    pub fn take(&mut self, step: u64) -> (u64, Option<String>) {
        let skipped = std::mem::take(&mut self.skipped);
        let sentence = self.first.take().map(|(term, value)| {
            let updates = if skipped == 1 { "an update was".to_owned() } else { format!("{skipped} updates were") };
            format!("step {step}: {term} of the {} is {value}: {updates} skipped", self.model)
        });
        (skipped, sentence)
    }
}

/// The first of some named tensors that has a value which is not finite, with that value.
pub fn first_not_finite(tensors: &[(&'static str, &Tensor)]) -> Option<(&'static str, f64)> {
    tensors.iter().find_map(|(name, tensor)| {
        let wrong = tensor.isfinite().logical_not();
        let wrong = tensor.masked_select(&wrong);
        (wrong.numel() > 0).then(|| (*name, wrong.to_kind(Kind::Double).double_value(&[0])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_skipped_and_one_too_many_in_a_row_names_step_and_term() {
        let mut guard = Guard::new("actor", 2);
        let bad = [("the loss", 1.0), ("the norm of the gradient", f64::INFINITY)];
        assert!(guard.admits(1, &[("the loss", 0.5)]).expect("finite"));
        assert!(!guard.admits(1, &bad).expect("one") && !guard.admits(1, &bad).expect("two"));
        let (skipped, sentence) = guard.take(1);
        assert_eq!(skipped, 2);
        let sentence = sentence.expect("something was skipped");
        assert!(
            sentence.contains("the norm of the gradient of the actor is inf: 2 updates were skipped"),
            "{sentence}"
        );
        let error = guard.admits(7, &[("the loss", f64::NAN)]).expect_err("three").to_string();
        assert!(error.starts_with("step 7: the loss of the actor is NaN, and 3 updates in a row"), "{error}");
    }

    #[test]
    fn an_update_that_is_made_ends_the_row() {
        let mut guard = Guard::new("critic", 1);
        for step in 1..10 {
            assert!(!guard.admits(step, &[("the loss", f64::NAN)]).expect("one in a row"));
            assert!(guard.admits(step, &[("the loss", 0.0)]).expect("finite"));
            assert_eq!(guard.take(step).0, 1);
        }
        assert_eq!(guard.take(10), (0, None));
    }

    #[test]
    fn the_first_tensor_with_a_value_that_is_no_number_is_named() {
        let (good, bad) = (Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from_slice(&[1.0_f32, f32::NEG_INFINITY]));
        assert_eq!(first_not_finite(&[("good", &good), ("bad", &bad)]), Some(("bad", f64::NEG_INFINITY)));
        assert_eq!(first_not_finite(&[("good", &good)]), None);
    }
}
