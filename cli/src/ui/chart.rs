//! The reward curve in a terminal.

use real_terminal::{Stream, width};
use textplots::{Chart, LabelBuilder as _, LabelFormat, Plot as _, Shape};

use super::number::fixed;
use super::series::{main_curve, value_range};
use crate::record::Record;

/// Braille dots: 2 × 4 to a character.
const HEIGHT: u32 = 40;
/// Columns right of the chart for the values.
const LABELS: usize = 10;
/// A wider curve says no more.
const WIDEST: usize = 120;
/// The library's own least.
const NARROWEST: usize = 16;

/// The run's main curve; `None` where there are fewer than two steps to connect.
pub fn draw(record: &Record) -> Option<String> {
    draw_within(record, width(Stream::Output).unwrap_or(80))
}

fn draw_within(record: &Record, columns: usize) -> Option<String> {
    let curve = main_curve(record).filter(|curve| curve.points.len() > 1)?;
    let (low, high) = value_range([&curve]);
    let points: Vec<(f32, f32)> = curve.points.iter().map(|&(x, y)| (x as f32, y as f32)).collect();
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let lines = Shape::Lines(&points);
    let dots = 2 * columns.saturating_sub(LABELS).clamp(NARROWEST, WIDEST) as u32;
    let mut chart = Chart::new_with_y_range(dots, HEIGHT, first, last, low as f32, high as f32);
    let chart = chart
        .lineplot(&lines)
        .x_label_format(LabelFormat::Custom(Box::new(|step| fixed(f64::from(step), 0))))
        .y_label_format(LabelFormat::Custom(Box::new(|value| fixed(f64::from(value), 3))));
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
        for columns in [20, 40, 80, 200] {
            let drawing = draw_within(&record, columns).unwrap();
            let widest = drawing.lines().map(real_terminal::text_width).max().unwrap();
            assert!(widest <= columns.max(NARROWEST + LABELS), "{widest} of {columns}:\n{drawing}");
            assert!(drawing.lines().last().unwrap().trim_end().ends_with("20"), "steps are whole numbers: {drawing}");
        }
        let drawing = draw_within(&record, 80).unwrap();
        let inked = |line: &str| line.chars().filter(|c| !matches!(c, ' ' | '⠀')).count();
        let drawn: Vec<usize> =
            drawing.lines().skip(1).filter_map(|line| line.find(|c| !matches!(c, ' ' | '⠀'))).collect();
        assert!(drawing.lines().map(inked).sum::<usize>() > 20, "{drawing}");
        assert!(!drawn.is_empty());
        assert!(draw(&Record::default()).is_none());
    }
}
