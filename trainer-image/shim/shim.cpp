// What tch lacks, as a C interface over libtorch's own operations. Tensors are `torch::Tensor*` as in torch-sys.

#include "guarded.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/stack.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace {

std::vector<Tensor> list(Tensor *const *tensors, size_t count) {
    std::vector<Tensor> result;
    result.reserve(count);
    for (size_t i = 0; i < count; ++i) result.push_back(*tensors[i]);
    return result;
}

// Bytes of the tensors on the CPU, as the C library counts them.
std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> peak_bytes{0};

void release(void *data) {
    live_bytes -= static_cast<int64_t>(malloc_usable_size(data));
    c10::free_cpu(data);
}

// libtorch's own way to get memory for tensors, counted.
struct CountingAllocator final : c10::Allocator {
    c10::DataPtr allocate(size_t bytes) override {
        void *data = c10::alloc_cpu(bytes);
        int64_t live = live_bytes += static_cast<int64_t>(malloc_usable_size(data));
        int64_t peak = peak_bytes;
        while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
        }
        return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void *to, const void *from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

} // namespace

extern "C" {

// From now on tensors on the CPU are counted; those that are there already never are.
char *real_count_memory() {
    static CountingAllocator counting;
    return guarded([] { c10::SetCPUAllocator(&counting, /*priority=*/255); });
}

// Bytes of the tensors that are alive, and the most there were since the last call that reset it.
void real_memory(int64_t *live, int64_t *peak, bool reset) {
    *live = live_bytes;
    *peak = peak_bytes;
    if (reset) peak_bytes = live_bytes.load();
}

// The backward pass from `output` with the gradient with respect to it.
char *real_backward(const Tensor *output, const Tensor *gradient) {
    return guarded([&] { output->backward(*gradient); });
}

// One step of AdamW (decoupled weight decay) over all parameters in one operation; `steps` are counted up here.
char *real_fused_adamw(Tensor *const *parameters, Tensor *const *gradients, Tensor *const *exp_avg,
                       Tensor *const *exp_avg_sq, Tensor *const *steps, size_t count, double lr, double beta1,
                       double beta2, double weight_decay, double eps) {
    return guarded([&] {
        at::NoGradGuard no_grad;
        auto state_steps = list(steps, count);
        at::_foreach_add_(state_steps, 1);
        at::_fused_adamw_(list(parameters, count), list(gradients, count), list(exp_avg, count),
                          list(exp_avg_sq, count), {}, state_steps, lr, beta1, beta2, weight_decay, eps,
                          /*amsgrad=*/false, /*maximize=*/false);
    });
}

// torch.nn.utils.clip_grad_norm_: scales gradients so that their global 2-norm is at most `max_norm`; `norm` is the
// norm before.
char *real_clip_grad_norm(Tensor *const *gradients, size_t count, double max_norm, double *norm) {
    return guarded([&] {
        at::NoGradGuard no_grad;
        auto grads = list(gradients, count);
        auto total = at::linalg_vector_norm(at::stack(at::_foreach_norm(grads, 2)), 2);
        *norm = total.item<double>();
        if (*norm + 1e-6 > max_norm) at::_foreach_mul_(grads, max_norm / (*norm + 1e-6));
    });
}

// Forgets gradients, so that the next backward pass writes instead of adding.
char *real_drop_gradients(Tensor *const *parameters, size_t count) {
    return guarded([&] {
        for (size_t i = 0; i < count; ++i) parameters[i]->mutable_grad() = Tensor();
    });
}
}
