//! The C++ shim (`shim/shim.cpp`): operations of libtorch that tch has no binding for. Those of the optimiser are in
//! [`crate::optim`].

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn real_backward(output: *const C_tensor, gradient: *const C_tensor) -> *mut c_char;
    fn real_count_memory() -> *mut c_char;
    fn real_memory(live: *mut i64, peak: *mut i64, reset: bool);
    fn real_attend_on_cpu(
        out: *const C_tensor,
        queries: *const C_tensor,
        keys: *const C_tensor,
        values: *const C_tensor,
        seen: *const C_tensor,
    ) -> *mut c_char;
    fn real_attend_by_flash(
        out: *const C_tensor,
        queries: *const C_tensor,
        keys: *const C_tensor,
        values: *const C_tensor,
        seen: *const C_tensor,
    ) -> *mut c_char;
    fn real_packed_flash(
        out: *mut *mut C_tensor,
        queries: *const C_tensor,
        keys: *const C_tensor,
        values: *const C_tensor,
        starts: *const C_tensor,
        longest: i64,
    ) -> *mut c_char;
    fn real_record_operations(handle: *mut u64) -> *mut c_char;
    fn real_recorded_operations(handle: u64) -> *mut c_char;
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

/// Attention of one query a row, `queries` [R, Q heads, D], to the first `seen` [R] (32-bit integers) columns of `keys` and
/// `values` [R, C, K heads, D], written to `out` [R, Q heads, D]. On the CPU, without gradients.
///
/// # Errors
/// A tensor is not as described, or a row sees more than there is.
pub(crate) fn attend_on_cpu(
    out: &Tensor,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    seen: &Tensor,
) -> Result<(), TorchError> {
    let [out, queries, keys, values, seen] = [out, queries, keys, values, seen].map(Tensor::as_ptr);
    // SAFETY: all are live tensors for the time of the call; the shim looks at their types and shapes and keeps none.
    checked(unsafe { real_attend_on_cpu(out, queries, keys, values, seen) })
}

/// The same by CUDA's flash kernel.
///
/// # Errors
/// libtorch has no such kernel for these tensors.
pub(crate) fn attend_by_flash(
    out: &Tensor,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    seen: &Tensor,
) -> Result<(), TorchError> {
    let [out, queries, keys, values, seen] = [out, queries, keys, values, seen].map(Tensor::as_ptr);
    // SAFETY: as above.
    checked(unsafe { real_attend_by_flash(out, queries, keys, values, seen) })
}

/// Causal attention within each of several sequences that lie one after the other, with its gradient: `queries`
/// [N, Q heads, D], `keys` and `values` [N, K heads, D], and where sequences begin and the last ends, `starts` (32-bit integers).
/// By CUDA's flash kernel.
///
/// # Errors
/// libtorch has no such kernel for these tensors.
pub(crate) fn packed_flash(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    starts: &Tensor,
    longest: i64,
) -> Result<Tensor, TorchError> {
    let mut out = std::ptr::null_mut();
    let [queries, keys, values, starts] = [queries, keys, values, starts].map(Tensor::as_ptr);
    // SAFETY: all are live tensors for the time of the call; the shim keeps none.
    checked(unsafe { real_packed_flash(&raw mut out, queries, keys, values, starts, longest) })?;
    // SAFETY: without an error it is a tensor that the shim made and that is ours.
    Ok(unsafe { Tensor::from_ptr(out) })
}

/// Which operations a piece of code asks libtorch for.
pub mod operations {
    use super::{TorchError, checked, real_record_operations, real_recorded_operations};

    /// Runs `work` and gives the operations that this thread asked for, in their order: `aten::NAME`, then the shapes of the
    /// tensors it was given.
    ///
    /// # Errors
    /// libtorch takes no observer.
    pub fn record(work: impl FnOnce()) -> Result<Vec<String>, TorchError> {
        let mut handle = 0;
        // SAFETY: it is written before the call returns.
        checked(unsafe { real_record_operations(&raw mut handle) })?;
        work();
        // SAFETY: the handle is the observer's, and is used once.
        let text = checked(unsafe { real_recorded_operations(handle) }).err().map_or(String::new(), |text| text.0);
        Ok(text.lines().map(str::to_owned).collect())
    }
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
