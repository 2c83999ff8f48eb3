// How C++ errors reach Rust: every function of the shim returns null, or a message allocated with malloc which the caller
// frees.

#pragma once

#include <ATen/core/Tensor.h>

#include <cstring>
#include <exception>

using Tensor = at::Tensor;

template <typename F> char *guarded(F body) {
    try {
        body();
        return nullptr;
    } catch (const std::exception &e) {
        return strdup(e.what());
    }
}
