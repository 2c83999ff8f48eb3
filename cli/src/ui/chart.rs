//! The reward curve in a terminal.

use textplots::{Chart, Plot, Shape};

use super::series::{main_curve, value_range};
use crate::record::Record;

/// Braille dots: 2 × 4 to a character.
const WIDTH: u32 = 140;
const HEIGHT: u32 = 40;

/// The run's main curve; `None` where there are fewer than two steps to connect.
pub fn draw(record: &Record) -> Option<String> {
    let curve = main_curve(record).filter(|curve| curve.points.len() > 1)?;
    let (low, high) = value_range([&curve]);
    let points: Vec<(f32, f32)> = curve.points.iter().map(|&(x, y)| (x as f32, y as f32)).collect();
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let lines = Shape::Lines(&points);
    let mut chart = Chart::new_with_y_range(WIDTH, HEIGHT, first, last, low as f32, high as f32);
    let chart = chart.lineplot(&lines);
    chart.axis();
    chart.figures();
    Some(format!("{} by step\n{chart}", curve.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Step;

    #[test]
    fn a_rising_reward_rises_in_the_drawing() {
        let step = |n: u64| Step { step: n, reward: Some(n as f64), ..Step::default() };
        let record = Record { steps: (1..=20).map(step).collect(), evaluations: Vec::new() };
        let drawing = draw(&record).unwrap();
        let inked = |line: &str| line.chars().filter(|c| !matches!(c, ' ' | '⠀')).count();
        let drawn: Vec<usize> =
            drawing.lines().skip(1).filter_map(|line| line.find(|c| !matches!(c, ' ' | '⠀'))).collect();
        assert!(drawing.lines().map(inked).sum::<usize>() > 20, "{drawing}");
        assert!(!drawn.is_empty());
        assert!(draw(&Record::default()).is_none());
    }
}
