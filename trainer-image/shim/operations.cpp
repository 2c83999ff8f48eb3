// Which operations a piece of code asks libtorch for.

#include "guarded.h"

#include <ATen/record_function.h>

#include <sstream>
#include <string>

namespace {

thread_local std::ostringstream recorded;

std::unique_ptr<at::ObserverContext> note(const at::RecordFunction &function) {
    recorded << function.name();
    for (const c10::IValue &input : function.inputs())
        if (input.isTensor()) recorded << ' ' << input.toTensor().sizes();
    recorded << '\n';
    return nullptr;
}

} // namespace

extern "C" {

// From now on the operations of this thread are noted; `handle` ends it.
char *real_record_operations(uint64_t *handle) {
    return guarded([&] {
        recorded.str("");
        *handle = at::addThreadLocalCallback(
            at::RecordFunctionCallback(note).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
    });
}

// Ends it and gives the operations in their order, a line each: the name and the shapes of the tensors it was given. Null
// where there is no memory.
char *real_recorded_operations(uint64_t handle) {
    at::removeCallback(handle);
    return strdup(recorded.str().c_str());
}
}
