//! What follows from several plans one after the other.

use jiff::SignedDuration;
use real_crds::v1alpha1::ScalingMode;

use super::world::World;
use crate::conditions;
use crate::pool::{Kind, Plan};

fn is_empty(plan: &Plan) -> bool {
    plan.apply.is_empty() && plan.delete.is_empty() && plan.status.is_none() && plan.events.is_empty()
}

fn in_all_modes() -> Vec<World> {
    let modes = [ScalingMode::Operator, ScalingMode::Manual, ScalingMode::HorizontalPodAutoscaler, ScalingMode::Keda];
    let world = |mode| World::new().used_by(1).mode(mode).but(|world| world.observed.keda_available = true);
    modes.into_iter().map(world).collect()
}

#[test]
fn a_second_plan_over_what_the_server_made_of_the_first_is_empty() {
    for world in in_all_modes() {
        let mode = world.pool.spec.scaling.mode;
        let mut world = world.settled();
        for _ in 0..3 {
            world.now += SignedDuration::from_secs(15);
            let plan = world.act();
            assert!(is_empty(&plan), "{mode:?}: {plan:#?}");
        }
    }
}

#[test]
fn a_changed_mode_ends_with_the_objects_of_the_new_one_alone() {
    for from in in_all_modes() {
        for to in in_all_modes() {
            let mode = to.pool.spec.scaling.mode;
            let mut world = from.clone().settled().mode(mode).settled();
            let kinds = |world: &World| {
                let mut observed = world.observed.clone();
                world.server.observe(&mut observed);
                (observed.hpas.len(), observed.scaled_objects.len())
            };
            let expected = match mode {
                ScalingMode::Operator | ScalingMode::Manual => (0, 0),
                ScalingMode::HorizontalPodAutoscaler => (2, 0),
                ScalingMode::Keda => (0, 2),
            };
            assert_eq!(kinds(&world), expected, "{:?} to {mode:?}", from.pool.spec.scaling.mode);
            assert!(is_empty(&world.act()));
        }
    }
}

#[test]
fn replicas_pass_to_an_autoscaler_without_a_dip_and_back() {
    let size = |world: &mut World| world.server.get(Kind::Deployment, "quickstart-sandbox")["spec"]["replicas"].clone();
    let mut world = World::running(1).demanding(40, 200).after(60);
    assert_eq!(size(&mut world), 25);
    let mut world = world.mode(ScalingMode::HorizontalPodAutoscaler);
    // Also where the operator dies between two writes.
    for first in 0..2 {
        let mut world = world.clone();
        let plan = world.look();
        plan.apply.iter().take(first).for_each(|child| world.server.apply(child));
        let mut world = world.settled();
        assert_eq!(size(&mut world), 25);
    }
    world = world.settled();
    world.server.get(Kind::Deployment, "quickstart-sandbox")["spec"]["replicas"] = 30.into();
    world = world.settled();
    assert_eq!(size(&mut world), 30, "the autoscaler's word");
    world = world.mode(ScalingMode::Operator).demanding(40, 400).settled();
    assert!(size(&mut world).as_i64() >= Some(30));
}

#[test]
fn a_condition_remembers_since_when_and_only_changes_of_ready_and_stalled_are_told() {
    let mut world = World::new().used_by(1);
    let told = |plan: &Plan| plan.events.iter().map(|event| event.reason.clone()).collect::<Vec<_>>();
    assert_eq!(told(&world.act()), ["Starting"]);
    world.server.run_pods();
    world.now += SignedDuration::from_secs(15);
    assert_eq!(told(&world.act()), ["FleetsReady"]);
    let since = world.now;
    world = world.demanding(16, 64).after(120);
    let status = world.pool.status.clone().expect("a status");
    let ready = conditions::find(&status.conditions, "Ready").expect("Ready");
    assert_eq!(ready.last_transition_time.0, since);
    world = world.refused("Forbidden", "no");
    assert_eq!(told(&world.act()), ["Forbidden"]);
    assert_eq!(told(&world.act()), [""; 0]);
    world.observed.refused = None;
    assert_eq!(told(&world.act()), ["NotStalled"]);
}

#[test]
fn a_day_of_changing_load_leaves_no_event_and_no_reconciling() {
    let mut world = World::running(1);
    world.act();
    for hour in 0..12 {
        world = world.demanding(hour * 7 % 60, hour * 53 % 250);
        for _ in 0..40 {
            world.now += SignedDuration::from_secs(15);
            let plan = world.act();
            assert!(plan.events.is_empty(), "{:?}", plan.events);
            let status = world.pool.status.as_ref().expect("a status");
            assert!(!conditions::is_true(&status.conditions, "Reconciling"));
            world.server.run_pods();
        }
    }
}
