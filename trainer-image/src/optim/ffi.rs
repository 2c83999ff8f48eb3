//! What the optimiser needs of the C++ shim.

use std::ffi::{c_char, c_double};

use tch::Tensor;
use torch_sys::C_tensor;

use super::AdamWConfig;
use crate::shim::{TorchError, checked};

unsafe extern "C" {
    fn real_fused_adamw(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        exp_avg: *const *const C_tensor,
        exp_avg_sq: *const *const C_tensor,
        steps: *const *const C_tensor,
        count: usize,
        lr: c_double,
        beta1: c_double,
        beta2: c_double,
        weight_decay: c_double,
        eps: c_double,
    ) -> *mut c_char;
    fn real_clip_grad_norm(
        gradients: *const *const C_tensor,
        count: usize,
        max_norm: c_double,
        norm: *mut c_double,
    ) -> *mut c_char;
    fn real_drop_gradients(parameters: *const *const C_tensor, count: usize) -> *mut c_char;
}

/// What one step reads and writes; all lists are of one length, the n-th of each belongs to the n-th parameter.
pub(super) struct Moments<'t> {
    pub(super) parameters: Vec<&'t Tensor>,
    pub(super) gradients: Vec<&'t Tensor>,
    pub(super) exp_avg: Vec<&'t Tensor>,
    pub(super) exp_avg_sq: Vec<&'t Tensor>,
    pub(super) steps: Vec<&'t Tensor>,
}

pub(super) fn fused_adamw(moments: &Moments, lr: f64, config: &AdamWConfig) -> Result<(), TorchError> {
    let Moments { parameters, gradients, exp_avg, exp_avg_sq, steps } = moments;
    let [beta1, beta2] = config.betas;
    let count = parameters.len();
    assert!([gradients, exp_avg, exp_avg_sq, steps].iter().all(|list| list.len() == count), "lists of one length");
    let [parameters, gradients, exp_avg, exp_avg_sq, steps] =
        [parameters, gradients, exp_avg, exp_avg_sq, steps].map(|list| pointers(list));
    // SAFETY: every list holds `count` pointers to live tensors (the references outlive the call), and the shim keeps
    // none of them. Tensors are reference counted and changed in place, as by any in-place method of tch.
    let message = unsafe {
        real_fused_adamw(
            parameters.as_ptr(),
            gradients.as_ptr(),
            exp_avg.as_ptr(),
            exp_avg_sq.as_ptr(),
            steps.as_ptr(),
            count,
            lr,
            beta1,
            beta2,
            config.weight_decay,
            config.eps,
        )
    };
    checked(message)
}

pub(super) fn clip_grad_norm(gradients: &[&Tensor], max_norm: f64) -> Result<f64, TorchError> {
    let gradients = pointers(gradients);
    let mut norm = 0.0;
    // SAFETY: as in `fused_adamw`; `norm` is written before the call returns.
    checked(unsafe { real_clip_grad_norm(gradients.as_ptr(), gradients.len(), max_norm, &raw mut norm) })?;
    Ok(norm)
}

pub(super) fn drop_gradients(parameters: &[&Tensor]) -> Result<(), TorchError> {
    let parameters = pointers(parameters);
    // SAFETY: as in `fused_adamw`. Gradients that tch still holds stay alive: they are reference counted.
    checked(unsafe { real_drop_gradients(parameters.as_ptr(), parameters.len()) })
}

fn pointers(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}
