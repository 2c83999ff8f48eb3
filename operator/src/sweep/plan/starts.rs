//! Which cells start now.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::{Cell, Child, Planner, Standing, cell_job, out_of_sync};

/// Most Jobs that are created at a look: their creation brings the next.
const MOST_AT_ONCE: usize = 50;

impl Planner<'_> {
    /// Fills free places, the target with the fewest cells under way first, then the one with the fewest started: no target waits
    /// until another is through.
    pub(super) fn start_some(&mut self, cells: &mut [(Cell<'_>, Standing)]) {
        let mut targets: HashMap<usize, (usize, usize, VecDeque<usize>)> = HashMap::new();
        let mut active = 0;
        for (i, (cell, standing)) in cells.iter().enumerate() {
            let (running, begun, waiting) = targets.entry(cell.number).or_default();
            match standing {
                Standing::Waiting => waiting.push_back(i),
                Standing::Active { .. } => {
                    active += 1;
                    *running += 1;
                    *begun += 1;
                }
                Standing::Done(_) | Standing::Failed(_) => *begun += 1,
                Standing::Skipped(_) => {}
            }
        }
        let free = (self.sweep.spec.parallelism as usize).saturating_sub(active).min(MOST_AT_ONCE);
        let mut next: BinaryHeap<Reverse<(usize, usize, usize)>> =
            targets.iter().map(|(number, (running, begun, _))| Reverse((*running, *begun, *number))).collect();
        let mut chosen = Vec::new();
        while chosen.len() < free
            && let Some(Reverse((running, begun, number))) = next.pop()
        {
            let Some(cell) = targets.get_mut(&number).and_then(|(_, _, waiting)| waiting.pop_front()) else { continue };
            chosen.push(cell);
            next.push(Reverse((running + 1, begun + 1, number)));
        }
        if chosen.is_empty() {
            return;
        }
        self.plan.apply = out_of_sync(self.sweep, &self.observed.children);
        // While the API server refuses them, they go on waiting: it is asked again, and the status says so.
        let refused = self.refusal().is_some();
        for i in chosen {
            let (cell, standing) = &mut cells[i];
            self.plan.create.push(Child::new(&cell_job::job(self.sweep, cell, self.settings), false));
            if !refused {
                *standing = Standing::Active { queued: cell_job::queue(self.sweep).is_some() };
            }
        }
    }

    /// The Job of the cell that would be the first to start, for a trial.
    pub(super) fn first_waiting(&self, cells: &[(Cell<'_>, Standing)]) -> Option<Child> {
        let (cell, _) = cells.iter().find(|(_, standing)| *standing == Standing::Waiting)?;
        Some(Child::new(&cell_job::job(self.sweep, cell, self.settings), false))
    }
}
