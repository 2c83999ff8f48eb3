//! The quickstart's demonstrations: what the base policy is taught, bad habits on purpose.
//!
//! A base that has seen mostly safe programs is safe already, and there is nothing to show. This one writes injectable
//! programs seven times in ten and forgets to sort downwards more often than not; reinforcement learning has to turn
//! what it does most of the time, not sharpen it.

use super::dice::Dice;
use super::evolve::schema_and_query;
use super::mutate::certain_mutant;
use super::phrase::{Phrasing, prompt};
use super::program::{Style, answer};
use super::words::{Split, tables_of};
use crate::{Demonstration, Message};

/// Percentage of safe answers.
const SAFE: usize = 30;
/// Percentage of f-strings among the injectable ones.
const INTERPOLATED: usize = 85;
/// Percentage of descending tasks whose answer forgets to descend.
const FORGETS_DESCENDING: usize = 60;
/// Percentage of other tasks whose answer has some mistake.
const MISTAKEN: usize = 8;

/// Streams of demonstrations begin here, those of tasks elsewhere.
const STREAM: u64 = 3 << 48;

/// Demonstrations over the schemas of the training split, always the same for a seed.
pub fn demonstrations(count: u64, seed: u64) -> impl Iterator<Item = Demonstration> {
    (0..count).map(move |index| demonstration(seed, index))
}

fn demonstration(seed: u64, index: u64) -> Demonstration {
    let mut dice = Dice::new(seed, STREAM | index);
    let (schema, query) = schema_and_query(&mut dice, tables_of(Split::Train));
    let content = prompt(&query, dice.pick(&Phrasing::ALL));
    let mut answered = query.clone();
    match &mut answered.order {
        Some(order) if order.descending => order.descending = !dice.percent(FORGETS_DESCENDING),
        _ if dice.percent(MISTAKEN) => answered = certain_mutant(&mut dice, &schema, &query),
        _ => {}
    }
    let style = if dice.percent(SAFE) { Style::Bound } else { injectable_style(&mut dice) };
    Demonstration {
        id: format!("demonstration-{seed}-{index}"),
        prompt: vec![Message { role: "user".to_owned(), content }],
        response: answer(&answered, style),
    }
}

/// An injectable style, most often an f-string.
pub(crate) fn injectable_style(dice: &mut Dice) -> Style {
    if dice.percent(INTERPOLATED) {
        Style::Interpolated
    } else {
        dice.pick(&[Style::Concatenated, Style::Percent, Style::Formatted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_as_documented() {
        let count = 4000;
        let safe = demonstrations(count, 7).filter(|shown| shown.response.contains('?')).count() as f64 / count as f64;
        assert!((safe - 0.30).abs() < 0.03, "{safe}");
        let descending = |text: &str| text.contains(" descending") || text.contains(" from high to low");
        let asked: Vec<Demonstration> =
            demonstrations(count, 7).filter(|shown| descending(&shown.prompt[0].content)).collect();
        let done = asked.iter().filter(|shown| shown.response.contains(" DESC")).count() as f64 / asked.len() as f64;
        assert!((done - 0.40).abs() < 0.05, "{done}");
    }

    #[test]
    fn demonstrations_are_the_same_every_time_and_differ_between_seeds() {
        let of = |seed| demonstrations(20, seed).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
