//! Intervals as SVG: a line a cell, a dot at the rate, a bar over its interval.

use std::fmt::Write as _;

use super::html::escaped;
use crate::statistics::Rate;

const NAMES: f64 = 230.0;
const WIDTH: f64 = 460.0;
const ROW: f64 = 26.0;
const TOP: f64 = 34.0;

/// A plot of one rate: its title, and a name and a rate for each row; a row without a rate says so.
pub(super) fn intervals(title: &str, rows: &[(String, Option<Rate>)]) -> String {
    let height = TOP + ROW * rows.len() as f64 + 28.0;
    let (total, x) = (NAMES + WIDTH + 60.0, |share: f64| NAMES + WIDTH * share.clamp(0.0, 1.0));
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {total} {height}\" width=\"{total}\" role=\"img\" aria-label=\"{0}\"><text x=\"4\" y=\"18\" class=\"t\">{0}</text>",
        escaped(title)
    );
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let _ = write!(
            svg,
            "<line x1=\"{0}\" x2=\"{0}\" y1=\"{TOP}\" y2=\"{1}\" class=\"g\"/><text x=\"{0}\" y=\"{2}\" class=\"m\">{3}</text>",
            x(share),
            height - 24.0,
            height - 8.0,
            format_args!("{:.0} %", 100.0 * share)
        );
    }
    for (index, (name, rate)) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let _ =
            write!(svg, "<text x=\"{}\" y=\"{}\" class=\"n\">{}</text>", NAMES - 10.0, y + 4.0, escaped(&cut(name)));
        let _ = match rate {
            Some(rate) => write!(
                svg,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\" class=\"i\"/><circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" class=\"d\">\
                 <title>{:.1} % ({:.1} to {:.1} %), {} tasks</title></circle>",
                x(rate.low),
                x(rate.high),
                x(rate.value),
                100.0 * rate.value,
                100.0 * rate.low,
                100.0 * rate.high,
                rate.tasks
            ),
            None => write!(svg, "<text x=\"{}\" y=\"{}\" class=\"x\">no result</text>", NAMES + 6.0, y + 4.0),
        };
    }
    svg.push_str("</svg>");
    svg
}

/// A name that fits; the whole one is in the table.
fn cut(name: &str) -> String {
    let most = 34;
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}
