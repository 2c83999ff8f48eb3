//! What the autoscaler does, case by case.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn bounds(min: u32, max: u32, warm: u32) -> Replicas {
    Replicas { min_replicas: min, max_replicas: max, warm_replicas: warm }
}

fn load(demand: u64) -> FleetLoad {
    FleetLoad { queued: demand, replies: 1, asked: 1, ..FleetLoad::default() }
}

/// A fleet that follows every decision at once.
struct Fleet {
    bounds: Replicas,
    scaling: PoolScaling,
    replicas: u32,
    in_use: bool,
    memory: FleetMemory,
    second: i64,
    why: Why,
}

impl Fleet {
    fn of(replicas: u32, bounds: Replicas) -> Self {
        let (scaling, memory) = (PoolScaling::default(), FleetMemory::default());
        Self { bounds, scaling, replicas, in_use: false, memory, second: 0, why: Why::Enough }
    }

    /// Looks every 15 seconds for so long and returns every size it had.
    fn run(&mut self, seconds: i64, load: Option<&FleetLoad>) -> Vec<u32> {
        let end = self.second + seconds;
        let mut sizes = vec![self.replicas];
        while self.second < end {
            let situation = Situation {
                bounds: &self.bounds,
                scaling: &self.scaling,
                current: self.replicas,
                load,
                in_use: self.in_use,
            };
            let decision = desired(&situation, &self.memory, at(self.second));
            (self.replicas, self.memory, self.why) = (decision.replicas, decision.memory, decision.why);
            self.second += 15;
            if sizes.last() != Some(&self.replicas) {
                sizes.push(self.replicas);
            }
        }
        sizes
    }
}

#[test]
fn the_size_is_the_requests_in_the_system_over_the_target() {
    for (queued, in_flight, replicas) in [(0, 0, 1), (8, 0, 1), (0, 8, 1), (8, 1, 2), (70, 10, 10), (1 << 60, 0, 50)] {
        let load = FleetLoad { queued, in_flight, ..load(0) };
        let mut fleet = Fleet::of(1, bounds(1, 50, 1));
        fleet.run(600, Some(&load));
        assert_eq!(fleet.replicas, replicas, "{queued} + {in_flight}");
    }
}

#[test]
fn growth_is_four_or_double_each_fifteen_seconds() {
    let mut fleet = Fleet::of(1, bounds(1, 50, 1));
    assert_eq!(fleet.run(90, Some(&load(1000))), [1, 5, 10, 20, 40, 50]);
    assert_eq!(fleet.why, Why::Maximum);
    // Looking more often does not make it faster.
    let mut fleet = Fleet::of(10, bounds(1, 50, 1));
    fleet.run(1, Some(&load(120)));
    assert_eq!(fleet.replicas, 15);
    fleet.second -= 14;
    fleet.run(1, Some(&load(1000)));
    assert_eq!(fleet.replicas, 20, "twice the 10 of the period's start");
    fleet.second -= 14;
    fleet.run(1, Some(&load(1000)));
    assert_eq!(fleet.replicas, 20);
}

#[test]
fn less_demand_shrinks_a_fleet_only_after_the_window_and_by_a_tenth_a_minute() {
    let mut fleet = Fleet::of(40, bounds(1, 50, 1));
    fleet.run(300, Some(&load(320)));
    assert_eq!((fleet.replicas, fleet.why), (40, Why::Enough));
    assert_eq!(fleet.run(300, Some(&load(80))), [40]);
    assert_eq!(fleet.why, Why::Stabilizes);
    assert_eq!(fleet.run(240, Some(&load(80))), [40, 36, 33, 30, 27]);
    // One busy moment holds it for another window.
    fleet.run(15, Some(&load(216)));
    assert_eq!(fleet.run(300, Some(&load(80))), [27]);
    fleet.run(3600, Some(&load(80)));
    assert_eq!((fleet.replicas, fleet.why), (10, Why::Enough));
}

#[test]
fn a_restarted_operator_takes_nothing_away_until_it_has_seen_a_whole_window() {
    let mut fleet = Fleet::of(40, bounds(1, 50, 1));
    assert_eq!(fleet.run(300, Some(&load(0))), [40]);
    assert_eq!(fleet.run(15, Some(&load(0))), [40, 36]);
    fleet.memory = FleetMemory::default();
    assert_eq!(fleet.run(300, Some(&load(0))), [36]);
    // A long pause is no better than a restart, and a clock that goes back neither.
    for jump in [61, -100] {
        fleet.run(15, Some(&load(0)));
        let before = fleet.replicas;
        fleet.second += jump;
        assert_eq!(fleet.run(300, Some(&load(0))), [before]);
    }
}

#[test]
fn pods_that_do_not_answer_keep_the_fleet_from_shrinking_but_not_from_growing() {
    let mut fleet = Fleet::of(10, bounds(1, 50, 1));
    fleet.run(300, Some(&load(80)));
    let partial = |demand| FleetLoad { replies: 4, asked: 10, ..load(demand) };
    assert_eq!(fleet.run(3600, Some(&partial(8))), [10]);
    assert_eq!(fleet.why, Why::NoData);
    assert_eq!(fleet.run(3600, None), [10]);
    assert_eq!(fleet.why, Why::NoData);
    let none = FleetLoad { replies: 0, asked: 10, ..load(0) };
    assert_eq!(fleet.run(3600, Some(&none)), [10]);
    // The first answers after silence do not count for the time before them.
    assert_eq!(fleet.run(300, Some(&load(8))), [10]);
    assert_eq!(fleet.run(15, Some(&partial(160))), [10, 20]);
}

#[test]
fn an_idle_fleet_goes_to_nothing_only_without_consumers_and_after_the_time() {
    let mut fleet = Fleet::of(2, bounds(0, 50, 2));
    fleet.in_use = true;
    assert_eq!(fleet.run(7200, Some(&load(0))), [2]);
    fleet.in_use = false;
    assert_eq!(fleet.run(600, Some(&load(0))), [2, 1]);
    assert_eq!(fleet.run(15, Some(&load(0))), [1, 0]);
    assert_eq!(fleet.why, Why::Idle);
    assert_eq!(fleet.run(3600, None), [0]);
    // A single request starts the time anew.
    let mut fleet = Fleet::of(1, bounds(0, 50, 1));
    fleet.run(590, Some(&load(0)));
    fleet.run(15, Some(&load(1)));
    assert_eq!(fleet.run(600, Some(&load(0))), [1]);
    assert_eq!(fleet.run(15, Some(&load(0))), [1, 0]);
    // With a minimum there is no nothing.
    let mut fleet = Fleet::of(3, bounds(1, 50, 1));
    fleet.run(7200, Some(&load(0)));
    assert_eq!(fleet.replicas, 1);
}

#[test]
fn a_consumer_gets_warm_replicas_at_once() {
    for (min, warm, replicas) in [(0, 0, 1), (0, 7, 7), (3, 1, 3), (1, 30, 30)] {
        let mut fleet = Fleet::of(0, bounds(min, 50, warm));
        fleet.in_use = true;
        assert_eq!(fleet.run(15, None), [0, replicas]);
        assert_eq!(fleet.why, Why::Warm);
    }
}

#[test]
fn changed_bounds_count_at_once() {
    let mut fleet = Fleet::of(40, bounds(1, 8, 1));
    assert_eq!(fleet.run(15, None), [40, 8]);
    assert_eq!(fleet.why, Why::Maximum);
    fleet.bounds = bounds(20, 30, 1);
    assert_eq!(fleet.run(15, None), [8, 20]);
}
