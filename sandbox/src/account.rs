//! What a test uses: CPU time of all its processes, their number and their memory.
//!
//! Orphans of a test become children of the PID namespace's first process or of the zygote (subreaper), so every process of a
//! test is found below the zygote. With a control group the kernel adds up the CPU time. Without one it is added up from looks:
//! a process' own time, that of children it has waited for, and that of children seen alive which were then neither waited
//! for nor there. A parent whose children vanish unpaid (it ignores SIGCHLD, so the kernel drops their time) is charged
//! for the time on the wall instead.
//!
//! Nothing is asked before the first look: what ended earlier is charged what its parent's `wait` said.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cgroup::Group;
use crate::clock;
use crate::zygote::{Running, Zygote, children, children_and_threads, page_size};

/// Time of vanished children that /proc's ticks of 10 ms may hide.
const SLACK: Duration = Duration::from_millis(40);
/// A bomb is noticed long before this many.
const MAX_MEMBERS: usize = 4096;

/// Sums over a test's processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Processes alive.
    pub(crate) processes: usize,
    /// Their threads, together.
    pub(crate) threads: usize,
    /// CPU time so far.
    pub(crate) cpu: Duration,
    /// Resident bytes of those alive, where there are several.
    pub(crate) resident_bytes: u64,
    /// Those alive.
    pub(crate) pids: Vec<i32>,
}

/// The account of one test.
pub(crate) struct Account<'a> {
    zygote: i32,
    group: Option<&'a Group>,
    /// At the first look: what the test had used, and the clocks of the group and of the zygote.
    before: Option<(Duration, Duration, Duration)>,
    /// At the first look: own time of the namespace's first process, which outlives the test, and of what it has waited for.
    init_before: Option<(Duration, Duration)>,
    started: Instant,
    ledger: Ledger,
    namespaces: bool,
    /// Whether it has ever had more than one process.
    company: bool,
}

impl<'a> Account<'a> {
    /// Opened before the fork.
    pub(crate) fn open(zygote: &Zygote, group: Option<&'a Group>, namespaces: bool) -> Self {
        Self {
            zygote: zygote.pid(),
            group,
            before: None,
            init_before: None,
            started: Instant::now(),
            ledger: Ledger::default(),
            namespaces,
            company: false,
        }
    }

    /// CPU time of the group and of the zygote, which is in it.
    fn both(&self) -> Option<(Duration, Duration)> {
        let group = self.group?.cpu()?;
        Some((group, clock::cpu_time(self.zygote)?))
    }

    /// What the group's processes have used since, the zygote's part taken off.
    fn by_group(&self) -> Option<Duration> {
        let (used, group_before, zygote_before) = self.before?;
        let (group, zygote) = self.both()?;
        Some(used + group.saturating_sub(group_before).saturating_sub(zygote.saturating_sub(zygote_before)))
    }

    /// A look.
    pub(crate) fn look(&mut self, child: &Running) -> Family {
        let mut family = Family { processes: 1, threads: 1, ..Family::default() };
        let Some(first) = child.pid() else { return family };
        let mut now = HashMap::new();
        let mut waiting = children(self.zygote);
        if !waiting.contains(&first) {
            waiting.push(first);
        }
        // The first process of a PID namespace is ours and only has orphans.
        let init = if self.namespaces { waiting.iter().copied().find(|pid| *pid != first) } else { None };
        let mut parents: Vec<i32> = vec![0; waiting.len()];
        (family.processes, family.threads) = (0, 0);
        while let (Some(pid), Some(parent)) = (waiting.pop(), parents.pop()) {
            let (below, threads) = children_and_threads(pid);
            parents.extend(std::iter::repeat_n(pid, below.len()));
            waiting.extend(below);
            if Some(pid) != init {
                family.processes += 1;
                family.threads += threads;
                family.pids.push(pid);
            }
            let mut own = clock::cpu_time(pid).unwrap_or_default();
            if Some(pid) == init {
                let before = self.init_before.get_or_insert_with(|| (own, clock::waited_time(pid).unwrap_or_default()));
                own = own.saturating_sub(before.0);
            }
            now.insert(pid, Entry { parent, own, waited: None });
            if now.len() >= MAX_MEMBERS {
                break;
            }
        }
        self.company |= family.processes > 1;
        if self.company {
            family.resident_bytes = now.keys().filter(|pid| Some(**pid) != init).map(|pid| resident_bytes(*pid)).sum();
        }
        family.cpu = if let Some(cpu) = self.by_group() {
            cpu
        } else {
            if self.company {
                for (pid, entry) in &mut now {
                    let before = self.init_before.filter(|_| Some(*pid) == init).unwrap_or_default().1;
                    entry.waited = clock::waited_time(*pid).map(|waited| waited.saturating_sub(before));
                }
            }
            let known = self.ledger.update(now);
            self.before = self.both().map(|(group, zygote)| (known, group, zygote));
            if self.ledger.unpaid { known.max(self.started.elapsed()) } else { known }
        };
        family
    }

    /// Closed after the end: the last word of the group, or what the looks came to.
    pub(crate) fn close(&self) -> Duration {
        self.by_group().unwrap_or(if self.ledger.unpaid { self.started.elapsed() } else { Duration::ZERO })
    }
}

/// One process at the last look.
struct Entry {
    /// 0 for the topmost.
    parent: i32,
    own: Duration,
    /// Of children that it has waited for, where that was asked.
    waited: Option<Duration>,
}

/// Processes seen, and the time of those that have vanished, by parent.
#[derive(Default)]
struct Ledger {
    alive: HashMap<i32, Entry>,
    vanished: HashMap<i32, Duration>,
    /// A parent has got rid of children without paying for them.
    unpaid: bool,
}

impl Ledger {
    /// Takes in a look and returns the sum.
    fn update(&mut self, now: HashMap<i32, Entry>) -> Duration {
        for (pid, gone) in std::mem::replace(&mut self.alive, now) {
            if self.alive.contains_key(&pid) {
                continue;
            }
            let below = self.vanished.remove(&pid).unwrap_or_default();
            let total = gone.own + gone.waited.unwrap_or_default().max(below);
            *self.vanished.entry(gone.parent).or_default() += total;
        }
        let mut sum = self.vanished.get(&0).copied().unwrap_or_default();
        for (pid, entry) in &self.alive {
            let vanished = self.vanished.get(pid).copied().unwrap_or_default();
            // A process that ends in the middle of a look has told nothing.
            self.unpaid |= entry.waited.is_some_and(|waited| vanished > waited + SLACK);
            let waited = entry.waited.unwrap_or_default();
            sum += entry.own + waited.max(vanished);
        }
        sum
    }
}

/// Kills everything that is seen below the zygote.
pub(crate) fn kill_below(zygote: i32) {
    let mut waiting = children(zygote);
    while let Some(pid) = waiting.pop() {
        waiting.extend(children(pid));
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

fn resident_bytes(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page_size()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(entries: &[(i32, i32, u64, u64)]) -> HashMap<i32, Entry> {
        let entry = |parent, own, waited| Entry {
            parent,
            own: Duration::from_millis(own),
            waited: Some(Duration::from_millis(waited)),
        };
        entries.iter().map(|(pid, parent, own, waited)| (*pid, entry(*parent, *own, *waited))).collect()
    }

    #[test]
    fn children_that_were_waited_for_count_once() {
        let mut ledger = Ledger::default();
        ledger.update(look(&[(1, 0, 10, 0), (2, 1, 300, 0)]));
        assert_eq!(ledger.update(look(&[(1, 0, 20, 310)])), Duration::from_millis(330));
        assert!(!ledger.unpaid);
    }

    #[test]
    fn children_that_vanish_without_being_waited_for_are_noticed_and_counted() {
        let mut ledger = Ledger::default();
        for round in 0..3 {
            ledger.update(look(&[(1, 0, 10, 0), (round + 2, 1, 20, 0)]));
        }
        assert_eq!(ledger.update(look(&[(1, 0, 10, 0)])), Duration::from_millis(70));
        assert!(ledger.unpaid);
    }

    #[test]
    fn a_parent_that_ends_while_it_is_looked_at_is_not_taken_for_one_that_does_not_pay() {
        let mut ledger = Ledger::default();
        ledger.update(look(&[(1, 0, 10, 0), (2, 1, 300, 0)]));
        let mut last = look(&[(1, 0, 20, 0)]);
        for entry in last.values_mut() {
            entry.waited = None;
        }
        assert_eq!(ledger.update(last), Duration::from_millis(320));
        assert!(!ledger.unpaid);
    }

    #[test]
    fn a_whole_branch_that_vanishes_is_charged_to_whoever_is_above() {
        let mut ledger = Ledger::default();
        ledger.update(look(&[(1, 0, 10, 0), (2, 1, 5, 0), (3, 2, 100, 0)]));
        ledger.update(look(&[(1, 0, 10, 0), (2, 1, 5, 0)]));
        assert_eq!(ledger.update(look(&[(1, 0, 10, 0)])), Duration::from_millis(115));
    }
}
