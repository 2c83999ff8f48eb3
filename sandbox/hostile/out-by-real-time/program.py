import os

told = []
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(1))
        told.append(policy)
    except OSError:
        pass
for which in (os.PRIO_PGRP, os.PRIO_USER):
    try:
        os.setpriority(which, 0, 19)
        told.append(which)
    except OSError:
        pass
try:
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        told.append("nice")
except OSError:
    pass
print("held" if not told else told)
