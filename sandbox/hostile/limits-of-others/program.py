import os
import resource

for pid in {os.getppid(), @SERVER@, 1} - {0, os.getpid()}:
    for attempt in (
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, 1)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.sched_setaffinity(pid, {0}),
    ):
        try:
            attempt()
        except OSError:
            continue
        raise SystemExit("changed another process")
for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_CORE):
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        continue
    raise SystemExit("raised a limit")
print("held")
