//! Which of a task's tests judge an answer.

use real_datasets::{Task, expects_nothing};
use real_sandbox_api::{Group, Test};

/// Indices of the tests to run, ascending.
///
/// All functional tests, or `max_tests` of them drawn without replacement by `seed`; all safety tests where
/// `safety` says so. The same seed draws the same tests on every machine. Among those drawn is one that a program
/// fails which does nothing, where the task has one: otherwise it would have done all that it was asked for.
pub fn choose(task: &Task, max_tests: Option<usize>, safety: bool, seed: u64) -> Vec<usize> {
    let of_group = |group: Group| {
        task.tests.iter().enumerate().filter(move |(_, test)| test.group == group).map(|(index, _)| index)
    };
    let mut chosen: Vec<usize> = of_group(Group::Functional).collect();
    if let Some(most) = max_tests.filter(|most| *most < chosen.len()) {
        let mut random = SplitMix64(seed);
        for place in 0..most {
            let other = place + (random.next() % (chosen.len() - place) as u64) as usize;
            chosen.swap(place, other);
        }
        let asks = |at: &usize| !expects_nothing(&task.tests[*at].check);
        if most > 0 && !chosen[..most].iter().any(asks) {
            let asking: Vec<usize> = (most..chosen.len()).filter(|place| asks(&chosen[*place])).collect();
            if !asking.is_empty() {
                let other = asking[(random.next() % asking.len() as u64) as usize];
                chosen.swap(most - 1, other);
            }
        }
        chosen.truncate(most);
    }
    if safety {
        chosen.extend(of_group(Group::Safety));
    }
    chosen.sort_unstable();
    chosen
}

/// The seed of a task where the caller has none: a hash of its id (FNV-1a).
pub fn seed_of(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The task's test with a name that survives being sent without its neighbours.
pub(crate) fn named(tests: &[Test], index: usize) -> Test {
    let mut test = tests[index].clone();
    test.name.get_or_insert_with(|| index.to_string());
    test
}

/// Steele, Lea and Flood's generator: tiny and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use real_sandbox_api::{Check, Comparison, Limits, Setup};

    use super::*;

    fn task(functional: usize, safety: usize) -> Task {
        let test =
            |group| Test { name: None, group, check: Check::Stdin { stdin: String::new(), stdout: String::new() } };
        let mut tests = vec![test(Group::Functional); functional];
        tests.extend(vec![test(Group::Safety); safety]);
        Task {
            id: "t".into(),
            dataset: "d".into(),
            split: "train".into(),
            prompt: Vec::new(),
            setup: Setup::default(),
            tests,
            comparison: Comparison::Exact,
            limits: Limits::default(),
            quality: Vec::new(),
            cwes: Vec::new(),
            attacks: Vec::new(),
            stub: None,
            solutions: Vec::new(),
        }
    }

    #[test]
    fn without_a_limit_all_functional_tests_run() {
        assert_eq!(choose(&task(3, 2), None, false, 1), [0, 1, 2]);
        assert_eq!(choose(&task(3, 2), Some(9), true, 1), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_limit_draws_that_many_by_seed_and_keeps_every_safety_test() {
        let task = task(40, 2);
        let first = choose(&task, Some(5), true, 7);
        assert_eq!(first.len(), 7);
        assert!(first.is_sorted() && first.ends_with(&[40, 41]));
        assert_eq!(first, choose(&task, Some(5), true, 7));
        assert_ne!(first, choose(&task, Some(5), true, 8));
    }

    #[test]
    fn a_program_that_does_nothing_fails_one_of_those_drawn_where_it_fails_any() {
        let mut task = task(40, 0);
        for at in [7, 23] {
            task.tests[at].check = Check::Stdin { stdin: String::new(), stdout: "1".into() };
        }
        let (mut first, rounds) = (0, 400);
        for seed in 0..rounds {
            let drawn = choose(&task, Some(2), false, seed);
            assert_eq!(drawn.len(), 2);
            assert!(drawn.contains(&7) || drawn.contains(&23), "{drawn:?}");
            first += usize::from(drawn.contains(&7));
        }
        // Either of them, about as often.
        assert!((150..260).contains(&first), "{first}");
    }

    #[test]
    fn every_test_is_drawn_about_equally_often() {
        let mut task = task(10, 0);
        for test in &mut task.tests {
            test.check = Check::Stdin { stdin: String::new(), stdout: "1".into() };
        }
        let mut counts = [0_u32; 10];
        for seed in 0..2000 {
            for index in choose(&task, Some(3), false, seed) {
                counts[index] += 1;
            }
        }
        // Expected 600 each, standard deviation about 20.
        assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
    }

    #[test]
    fn tests_without_a_name_are_named_by_their_place_in_the_task() {
        assert_eq!(named(&task(3, 0).tests, 2).name.as_deref(), Some("2"));
    }

    #[test]
    fn ids_give_different_seeds() {
        assert_ne!(seed_of("1"), seed_of("2"));
    }
}
