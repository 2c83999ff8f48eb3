//! The C++ shim (`shim/shim.cpp`): operations of libtorch that tch has no binding for. Those of the optimiser are in
//! [`crate::optim`].

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn real_backward(output: *const C_tensor, gradient: *const C_tensor) -> *mut c_char;
    fn real_count_memory() -> *mut c_char;
    fn real_memory(live: *mut i64, peak: *mut i64, reset: bool);
}

/// libtorch refused an operation.
#[derive(Clone, Debug, thiserror::Error)]
#[error("libtorch: {0}")]
pub struct TorchError(pub String);

/// Backward pass from `output`, with `gradient` as the derivative with respect to it: `torch.Tensor.backward(gradient)`.
///
/// # Errors
/// libtorch refuses: the shapes differ, or nothing of `output` needs a gradient.
pub(crate) fn backward(output: &Tensor, gradient: &Tensor) -> Result<(), TorchError> {
    // SAFETY: both are live tensors for the time of the call; the shim keeps neither.
    checked(unsafe { real_backward(output.as_ptr(), gradient.as_ptr()) })
}

/// Bytes of tensors on the CPU. Other devices count for themselves.
pub mod memory {
    use super::{TorchError, checked, real_count_memory, real_memory};

    /// From now on tensors are counted; those that are there already never are.
    ///
    /// # Errors
    /// libtorch refuses another allocator.
    pub fn count() -> Result<(), TorchError> {
        // SAFETY: the allocator is a static of the shim. Blocks that are there are freed by the function they came with.
        checked(unsafe { real_count_memory() })
    }

    /// Bytes of the tensors that are alive.
    pub fn live() -> i64 {
        read(false).0
    }

    /// The most bytes that were alive since the last call.
    pub fn take_peak() -> i64 {
        read(true).1
    }

    fn read(reset: bool) -> (i64, i64) {
        let (mut live, mut peak) = (0, 0);
        // SAFETY: both are written before the call returns.
        unsafe { real_memory(&raw mut live, &raw mut peak, reset) };
        (live, peak)
    }
}

/// Turns a message of the shim, or null, into a result.
pub(crate) fn checked(message: *mut c_char) -> Result<(), TorchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message is a nul-terminated string made by strdup, ours to free.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    // SAFETY: as above; it is not used again.
    unsafe { libc::free(message.cast()) };
    Err(TorchError(text))
}
