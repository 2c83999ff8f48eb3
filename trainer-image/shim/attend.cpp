// Attention of generation: one query a row, against all that the row remembers.
//
// libtorch's own operations for it read a cache of one length; rows of different lengths would need a mask, which costs
// CUDA its fast kernel and the CPU the columns that nobody sees. Here each row has its own length, in a tensor.

#include "guarded.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace {

// Compiled for several generations of processors; the loader takes the best one that is there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE __attribute__((always_inline)) inline

// e^x for x ≤ 0, within 2 units in the last place: 2ⁿ · e^r with |r| ≤ ln 2 / 2, e^r by the minimax polynomial of the Cephes
// library's expf. Unlike the C library's it becomes vector code.
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    const float rounder = 12582912.0f; // 1.5 · 2²³: adding it leaves an integer in the low bits
    const float n = (x * 1.44269504f + rounder) - rounder;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

// The queries of one row that share a key head, `group` of them, `width` numbers each.
template <typename T> struct Share {
    T *out;
    const T *queries;
    const T *keys;   // of the first column
    const T *values; // likewise
    int64_t stride;  // from a column to the next
    int64_t columns, group, width;
    float *scores; // room for group · columns, then for width
};

template <typename T> INLINE void attend(const Share<T> &share) {
    const auto [out, queries, keys, values, stride, columns, group, width, scores] = share;
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    for (int64_t column = 0; column < columns; ++column) {
        const T *key = keys + column * stride;
        for (int64_t g = 0; g < group; ++g) {
            const T *query = queries + g * width;
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t d = 0; d < width; ++d) sum += static_cast<float>(query[d]) * static_cast<float>(key[d]);
            scores[g * columns + column] = sum * scale;
        }
    }
    float *mixed = scores + group * columns;
    for (int64_t g = 0; g < group; ++g) {
        float *weights = scores + g * columns;
        float most = -std::numeric_limits<float>::infinity(), sum = 0;
#pragma omp simd reduction(max : most)
        for (int64_t column = 0; column < columns; ++column) most = std::max(most, weights[column]);
#pragma omp simd reduction(+ : sum)
        for (int64_t column = 0; column < columns; ++column) {
            weights[column] = exponential(weights[column] - most);
            sum += weights[column];
        }
        std::fill(mixed, mixed + width, 0.0f);
        for (int64_t column = 0; column < columns; ++column) {
            const T *value = values + column * stride;
            const float weight = weights[column];
#pragma omp simd
            for (int64_t d = 0; d < width; ++d) mixed[d] += weight * static_cast<float>(value[d]);
        }
        for (int64_t d = 0; d < width; ++d) out[g * width + d] = static_cast<T>(mixed[d] / sum);
    }
}

FOR_EACH_PROCESSOR void attend_f32(const Share<float> &share) { attend(share); }
FOR_EACH_PROCESSOR void attend_bf16(const Share<c10::BFloat16> &share) { attend(share); }
void attend_any(const Share<float> &share) { attend_f32(share); }
void attend_any(const Share<c10::BFloat16> &share) { attend_bf16(share); }

template <typename T>
void attend_on_cpu(const Tensor &out, const Tensor &queries, const Tensor &keys, const Tensor &values,
                   const Tensor &seen) {
    const int64_t rows = queries.size(0), heads = queries.size(1), width = queries.size(2);
    const int64_t room = keys.size(1), key_heads = keys.size(2), group = heads / key_heads;
    const auto *lengths = seen.const_data_ptr<int32_t>();
    const int64_t longest = rows > 0 ? *std::max_element(lengths, lengths + rows) : 0;
    TORCH_CHECK(longest <= room, "a row sees ", longest, " columns of a cache of ", room);
    auto *written = out.mutable_data_ptr<T>();
    const auto *q = queries.const_data_ptr<T>(), *k = keys.const_data_ptr<T>(), *v = values.const_data_ptr<T>();
    const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, longest * group * width));
    at::parallel_for(0, rows * key_heads, grain, [&](int64_t from, int64_t to) {
        std::vector<float> scores(group * longest + width);
        for (int64_t i = from; i < to; ++i) {
            const int64_t row = i / key_heads, head = i % key_heads, first = (row * room * key_heads + head) * width;
            attend_any(Share<T>{written + (row * heads + head * group) * width,
                                q + row * queries.stride(0) + head * group * width, k + first, v + first,
                                key_heads * width, lengths[row], group, width, scores.data()});
        }
    });
}

} // namespace

extern "C" {

// Attention of `queries` [R, Q, D] to the first `seen` [R] (32-bit integers) columns of `keys` and `values` [R, C, K, D], on the
// CPU; into `out` [R, Q, D].
char *real_attend_on_cpu(Tensor *out, const Tensor *queries, const Tensor *keys, const Tensor *values,
                         const Tensor *seen) {
    return guarded([&] {
        const int64_t width = queries->size(2);
        TORCH_CHECK(queries->stride(2) == 1 && queries->stride(1) == width, "queries of a row are apart");
        TORCH_CHECK(out->is_contiguous() && keys->is_contiguous() && values->is_contiguous() && seen->is_contiguous(),
                    "a cache in pieces");
        if (queries->scalar_type() == at::kFloat) {
            attend_on_cpu<float>(*out, *queries, *keys, *values, *seen);
        } else {
            TORCH_CHECK(queries->scalar_type() == at::kBFloat16, "activations are of 32-bit or bfloat16 numbers");
            attend_on_cpu<c10::BFloat16>(*out, *queries, *keys, *values, *seen);
        }
    });
}

// The same by the flash kernel of CUDA, for 16-bit numbers and widths that are multiples of 8.
char *real_attend_by_flash(Tensor *out, const Tensor *queries, const Tensor *keys, const Tensor *values,
                           const Tensor *seen) {
    return guarded([&] {
        at::NoGradGuard no_grad;
        const int64_t rows = queries->size(0), room = keys->size(1);
        const auto steps = at::arange(rows + 1, seen->options()), starts = at::arange(0, rows * room + 1, room, seen->options());
        const auto flat = [](const Tensor &cache) { return cache.flatten(0, 1); };
        out->copy_(std::get<0>(at::_flash_attention_forward(*queries, flat(*keys), flat(*values), steps, starts, 1, room,
                                                            0.0, false, false, std::nullopt, std::nullopt,
                                                            std::nullopt, *seen)));
    });
}

// Causal attention within each of several sequences that lie one after the other in `queries` [N, Q, D], `keys` and `values`
// [N, K, D], by the flash kernel of CUDA and with its gradient; sequence i reaches from `starts[i]` to `starts[i + 1]` (32-bit
// integers). The result is the caller's.
char *real_packed_flash(Tensor **out, const Tensor *queries, const Tensor *keys, const Tensor *values,
                        const Tensor *starts, int64_t longest) {
    return guarded([&] {
        *out = new Tensor(std::get<0>(at::_flash_attention_forward(*queries, *keys, *values, *starts, *starts, longest,
                                                                   longest, 0.0, true, false)));
    });
}
}
