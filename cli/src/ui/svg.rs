//! The curves of a run as `reward.svg`.

use std::path::Path;

use plotters::prelude::*;
use real_datasets::files::write_whole;

use super::series::{Series, evaluations, main_curve, parts, value_range};
use crate::record::Record;

const SIZE: (u32, u32) = (960, 540);
/// Distinguishable for people with any colour vision (Okabe and Ito's palette).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];

/// Draws reward (or loss), its parts, and the evaluations' joint rates over training steps, and writes the file whole or not
/// at all. Returns whether there was anything to draw.
pub fn write(record: &Record, title: &str, path: &Path) -> anyhow::Result<bool> {
    let Some(text) = draw(record, title)? else { return Ok(false) };
    write_whole(path, &text)?;
    Ok(true)
}

fn draw(record: &Record, title: &str) -> anyhow::Result<Option<String>> {
    let Some(main) = main_curve(record) else { return Ok(None) };
    let (main_name, lines) = (main.name.clone(), [vec![main], parts(record)].concat());
    // A loss has no common scale with rates.
    let dots = if main_name == "reward" { evaluations(record) } else { Vec::new() };
    let (low, high) = value_range(lines.iter().chain(&dots));
    let last = lines.iter().chain(&dots).flat_map(|s| s.points.iter().map(|p| p.0)).fold(1.0, f64::max);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..last, low..high)?;
        chart
            .configure_mesh()
            .x_desc("training step")
            .y_desc(if main_name == "reward" { "reward, rate" } else { "loss" })
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.2}"))
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 16))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (i, Series { name, points }) in lines.into_iter().enumerate() {
            let style = COLOURS[i % COLOURS.len()].stroke_width(if i == 0 { 3 } else { 1 });
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        for (i, Series { name, points }) in dots.into_iter().enumerate() {
            let style = COLOURS[(i + 3) % COLOURS.len()].filled();
            chart
                .draw_series(points.into_iter().map(|point| Circle::new(point, 5, style)))?
                .label(name)
                .legend(move |(x, y)| Circle::new((x + 9, y), 5, style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use real_crds::progress::{Decoding, Evaluation};

    use super::*;
    use crate::record::Step;

    #[test]
    fn the_drawing_names_its_axes_and_every_curve() {
        let step =
            |n: u64| Step { step: n, reward: Some(0.1), function: Some(0.2), quality: Some(0.3), ..Step::default() };
        let evaluation = Evaluation {
            suite: "unseen".into(),
            decoding: Decoding::Sampled,
            step: 0,
            n: 8,
            function: Some(0.5),
            quality: Some(0.5),
            joint: Some(0.25),
            no_code: Some(0.0),
            dropped: 0,
            intervals: None,
        };
        let record = Record { steps: (1..=3).map(step).collect(), evaluations: vec![evaluation] };
        let svg = draw(&record, "my job").unwrap().unwrap();
        for text in
            ["my job", "training step", "reward, rate", "share of tests passed", "func.-qual. on unseen, sampled"]
        {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert!(svg.contains("<circle"), "evaluations are dots");
    }

    #[test]
    fn a_run_without_steps_has_no_drawing() {
        assert!(draw(&Record::default(), "").unwrap().is_none());
    }
}
