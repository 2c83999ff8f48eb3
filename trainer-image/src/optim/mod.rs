//! AdamW over all parameters in one operation, clipping by the global norm, what is skipped, and the learning rate.

mod ffi;
pub mod guard;
pub mod schedule;

use std::collections::BTreeMap;

use tch::{Kind, Tensor, no_grad};

use crate::shim::TorchError;

/// Constants of AdamW; PyTorch's defaults except where the paper's differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// β₁, β₂.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Why an optimiser cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    /// libtorch refused an operation.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A saved state lacks a tensor, or has another shape.
    #[error("optimiser state: {name} {problem}")]
    State {
        /// Name of the tensor.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// AdamW as `torch.optim.AdamW(fused=True)`: θ ← θ − lr·wd·θ, then θ ← θ − lr·m̂ / (√v̂ + ε).
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    slots: Vec<Slot>,
}

/// One parameter and what the optimiser remembers of it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    /// Steps taken, a 32-bit float scalar as libtorch wants it.
    step: Tensor,
}

impl AdamW {
    /// An optimiser of these parameters, at step 0.
    pub fn new<'t>(parameters: impl IntoIterator<Item = (&'t str, &'t Tensor)>, config: AdamWConfig) -> Self {
        let slots = parameters
            .into_iter()
            .map(|(name, parameter)| Slot {
                name: name.to_owned(),
                parameter: parameter.shallow_clone(),
                exp_avg: parameter.detach().zeros_like(),
                exp_avg_sq: parameter.detach().zeros_like(),
                step: Tensor::zeros([] as [i64; 0], (Kind::Float, parameter.device())),
            })
            .collect();
        Self { config, slots }
    }

    /// Forgets gradients. Call it before the first backward pass of a step.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn zero_grad(&mut self) -> Result<(), OptimError> {
        let parameters: Vec<&Tensor> = self.slots.iter().map(|slot| &slot.parameter).collect();
        Ok(ffi::drop_gradients(&parameters)?)
    }

    /// Scales gradients so that their global 2-norm is at most `max_norm`; gives the norm before. Parameters without a
    /// gradient count as zero.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn clip_grad_norm(&mut self, max_norm: f64) -> Result<f64, OptimError> {
        let gradients: Vec<Tensor> =
            self.slots.iter().map(|slot| slot.parameter.grad()).filter(Tensor::defined).collect();
        if gradients.is_empty() {
            Ok(0.0)
        } else {
            Ok(ffi::clip_grad_norm(&gradients.iter().collect::<Vec<_>>(), max_norm)?)
        }
    }

    /// One step with learning rate `lr`. Parameters without a gradient stay as they are.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn step(&mut self, lr: f64) -> Result<(), OptimError> {
        let (slots, gradients): (Vec<&Slot>, Vec<Tensor>) = self
            .slots
            .iter()
            .map(|slot| (slot, slot.parameter.grad()))
            .filter(|(_, gradient)| gradient.defined())
            .unzip();
        if slots.is_empty() {
            return Ok(());
        }
        let moments = ffi::Moments {
            parameters: slots.iter().map(|s| &s.parameter).collect(),
            gradients: gradients.iter().collect(),
            exp_avg: slots.iter().map(|s| &s.exp_avg).collect(),
            exp_avg_sq: slots.iter().map(|s| &s.exp_avg_sq).collect(),
            steps: slots.iter().map(|s| &s.step).collect(),
        };
        Ok(ffi::fused_adamw(&moments, lr, &self.config)?)
    }

    /// Everything to save: `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME` for each parameter. The tensors are the
    /// optimiser's own: write them before the next step.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.slots
            .iter()
            .flat_map(|slot| {
                slot.parts().map(|(kind, tensor)| (format!("{kind}.{}", slot.name), tensor.shallow_clone()))
            })
            .collect()
    }

    /// Takes over what [`AdamW::state`] gave, of the same parameters.
    ///
    /// # Errors
    /// A tensor is missing or has another shape; then nothing has changed.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), OptimError> {
        let mut pairs = Vec::new();
        for slot in &self.slots {
            for (kind, tensor) in slot.parts() {
                let name = format!("{kind}.{}", slot.name);
                let problem = |problem: String| OptimError::State { name: name.clone(), problem };
                let saved =
                    state.get(&name).ok_or_else(|| problem("is missing; the state belongs to another model".into()))?;
                if saved.size() != tensor.size() {
                    let what = format!("has shape {:?}, expected {:?}", saved.size(), tensor.size());
                    return Err(problem(what + "; the state belongs to another model"));
                }
                // The root of its second moment, or of a count of steps, would be no number.
                if kind != "exp_avg" && saved.lt(0.0).any().int64_value(&[]) != 0 {
                    return Err(problem("has negative values; the state is damaged".into()));
                }
                pairs.push((tensor.shallow_clone(), saved));
            }
        }
        no_grad(|| pairs.into_iter().for_each(|(mut tensor, saved)| tensor.copy_(saved)));
        Ok(())
    }
}

impl Slot {
    fn parts(&self) -> [(&'static str, &Tensor); 3] {
        [("exp_avg", &self.exp_avg), ("exp_avg_sq", &self.exp_avg_sq), ("step", &self.step)]
    }
}
