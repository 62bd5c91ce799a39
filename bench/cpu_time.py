# SPDX-License-Identifier: MIT
"""How busy the machine was, and by whom: figures of a run that others disturbed are not kept."""

import os
import resource


def busy_seconds():
    """(of all CPUs by anybody, of our programs)"""
    with open('/proc/stat') as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf('SC_CLK_TCK'), ours.ru_utime + ours.ru_stime
