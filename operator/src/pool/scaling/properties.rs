//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn any_bounds() -> impl Strategy<Value = Replicas> {
    (1..80_u32).prop_flat_map(|max| {
        (0..=max, 0..=max).prop_map(move |(min_replicas, warm_replicas)| Replicas {
            min_replicas,
            max_replicas: max,
            warm_replicas,
        })
    })
}

fn any_scaling() -> impl Strategy<Value = PoolScaling> {
    (1..40_u64, 0..600_u64, 1..900_u64).prop_map(|(target, window, idle)| PoolScaling {
        target_queue_depth_per_replica: target,
        scale_down_stabilization_seconds: window,
        idle_seconds: idle,
        ..PoolScaling::default()
    })
}

fn any_load() -> impl Strategy<Value = Option<FleetLoad>> {
    let load = (prop_oneof![Just(0), 0..2000_u64], 0..40_u64, 0..5_u32, 0..5_u32).prop_map(
        |(queued, in_flight, replies, silent)| FleetLoad {
            queued,
            in_flight,
            replies,
            asked: replies + silent,
            ..FleetLoad::default()
        },
    );
    proptest::option::weighted(0.8, load)
}

/// One look: seconds since the last, what the pods say, whether there is a consumer.
type Look = (i64, Option<FleetLoad>, bool);

fn any_history() -> impl Strategy<Value = Vec<Look>> {
    proptest::collection::vec((1..70_i64, any_load(), any::<bool>()), 1..80)
}

fn complete(load: Option<&FleetLoad>, current: u32) -> bool {
    load.map_or(current == 0, |load| (load.replies > 0 && load.replies >= load.asked) || current == 0)
}

proptest! {
    #[test]
    fn within_bounds_never_down_without_data_and_never_up_too_fast(
        bounds in any_bounds(), scaling in any_scaling(), start in 0..80_u32, history in any_history(),
    ) {
        let (mut memory, mut current, mut now) = (FleetMemory::default(), start, 0);
        let mut sizes: Vec<(i64, u32)> = vec![];
        for (pause, load, in_use) in history {
            now += pause;
            let load = load.as_ref();
            let situation = Situation { bounds: &bounds, scaling: &scaling, current, load, in_use };
            let decision = desired(&situation, &memory, at(now));
            let replicas = decision.replicas;
            prop_assert!((bounds.min_replicas..=bounds.max_replicas).contains(&replicas));
            let floor = floor(&bounds, current, in_use, true);
            prop_assert!(replicas >= floor);
            if replicas < current {
                prop_assert!(current > bounds.max_replicas || complete(load, current), "down without data");
                prop_assert!(replicas == bounds.max_replicas || replicas + (current / 10).max(1) >= current.min(bounds.max_replicas));
            }
            sizes.push((now, current));
            if replicas > current && replicas > floor {
                let base = sizes.iter().filter(|(when, _)| now - when < UP_SECONDS).map(|(_, size)| *size).max();
                let base = base.unwrap_or(current).max(floor);
                prop_assert!(replicas <= (base * 2).max(base + 4), "{current} to {replicas}");
            }
            (memory, current) = (decision.memory, replicas);
        }
    }

    #[test]
    fn more_demand_never_means_fewer_replicas(
        bounds in any_bounds(), scaling in any_scaling(), start in 0..80_u32, history in any_history(),
        less in 0..1000_u64, more in 0..1000_u64, in_use: bool,
    ) {
        let (mut memory, mut current, mut now) = (FleetMemory::default(), start, 0);
        for (pause, load, in_use) in &history {
            now += pause;
            let load = load.as_ref();
            let decision = desired(&Situation { bounds: &bounds, scaling: &scaling, current, load, in_use: *in_use }, &memory, at(now));
            (memory, current) = (decision.memory, decision.replicas);
        }
        let [few, many] = [less, less + more].map(|queued| {
            let load = FleetLoad { queued, replies: 1, asked: 1, ..FleetLoad::default() };
            let situation = Situation { bounds: &bounds, scaling: &scaling, current, load: Some(&load), in_use };
            desired(&situation, &memory, at(now + 15)).replicas
        });
        prop_assert!(few <= many);
    }

    #[test]
    fn constant_demand_is_approached_from_one_side_and_then_left_alone(
        bounds in any_bounds(), scaling in any_scaling(), start in 0..80_u32, demand in 0..2000_u64, in_use: bool,
    ) {
        let load = FleetLoad { queued: demand, replies: 1, asked: 1, ..FleetLoad::default() };
        let (mut memory, mut current) = (FleetMemory::default(), start);
        let mut sizes = vec![];
        for look in 0..500 {
            let load = (current > 0).then_some(&load);
            let situation = Situation { bounds: &bounds, scaling: &scaling, current, load, in_use };
            let decision = desired(&situation, &memory, at(look * 15));
            (memory, current) = (decision.memory, decision.replicas);
            sizes.push(current);
        }
        // What a changed bound does at once is no reaction to demand.
        let down = sizes.windows(2).any(|pair| pair[1] < pair[0]);
        let up = sizes.windows(2).any(|pair| pair[1] > pair[0]);
        prop_assert!(!(down && up), "{sizes:?}");
        let settled = &sizes[sizes.len() - 20..];
        prop_assert!(settled.iter().all(|size| *size == settled[0]), "{sizes:?}");
        if start > 0 || bounds.min_replicas > 0 || in_use {
            let wanted = demand.div_ceil(scaling.target_queue_depth_per_replica).min(u64::from(bounds.max_replicas)) as u32;
            prop_assert_eq!(settled[0], wanted.max(floor(&bounds, settled[0], in_use, demand == 0)));
        }
    }

    #[test]
    fn a_restart_never_shrinks_a_fleet_before_a_whole_window(
        bounds in any_bounds(), scaling in any_scaling(), start in 0..80_u32, pauses in proptest::collection::vec(1..60_i64, 1..40),
    ) {
        let load = FleetLoad { replies: 1, asked: 1, ..FleetLoad::default() };
        let current = start.min(bounds.max_replicas);
        let mut memory = FleetMemory::default();
        let mut now = 0;
        for pause in pauses {
            let situation = Situation { bounds: &bounds, scaling: &scaling, current, load: Some(&load), in_use: false };
            let decision = desired(&situation, &memory, at(now));
            if now < scaling.scale_down_stabilization_seconds as i64 {
                prop_assert!(decision.replicas >= current);
            }
            memory = decision.memory;
            now += pause;
        }
    }
}
