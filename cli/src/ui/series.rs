//! Which curves a run has.

use crate::record::{Record, Step};

/// A curve over training steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// What it shows.
    pub name: String,
    /// Step and value.
    pub points: Vec<(f64, f64)>,
}

/// The curve that training pushes: the mean reward, or for supervised fine-tuning the loss; `None` before the first step.
pub(crate) fn main_curve(record: &Record) -> Option<Series> {
    [series(record, "reward", |s| s.reward), series(record, "loss", |s| s.loss)].into_iter().flatten().next()
}

/// Parts of the reward, by step.
pub(crate) fn parts(record: &Record) -> Vec<Series> {
    let function = series(record, "function (share of tests passed)", |s| s.function);
    let quality = series(record, "quality (share without findings)", |s| s.quality);
    function.into_iter().chain(quality).collect()
}

/// Joint rates of evaluations, a curve a data set and decoding.
pub(crate) fn evaluations(record: &Record) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for e in &record.evaluations {
        let name = format!("func.-qual. on {}, {}", e.suite, e.decoding.name());
        let Some(joint) = e.joint else { continue };
        let point = (e.step as f64, joint);
        match all.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => all.push(Series { name, points: vec![point] }),
        }
    }
    all
}

/// What is larger has no place in a drawing: differences would overflow. Such a number is in `metrics.jsonl`.
const LARGEST: f64 = 1e37;

fn series(record: &Record, name: &str, get: fn(&Step) -> Option<f64>) -> Option<Series> {
    let value = |step: &Step| get(step).filter(|value| value.abs() <= LARGEST);
    let points: Vec<(f64, f64)> = record.steps.iter().filter_map(|s| Some((s.step as f64, value(s)?))).collect();
    (!points.is_empty()).then(|| Series { name: name.to_owned(), points })
}

/// A range of values that leaves no curve on the edge and is never empty.
pub(crate) fn value_range<'a>(curves: impl IntoIterator<Item = &'a Series>) -> (f64, f64) {
    let values = curves.into_iter().flat_map(|series| series.points.iter().map(|p| p.1));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if high > low { (high - low) * 0.05 } else { 0.5 };
    (low - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_curve_has_a_range_around_it() {
        let flat = Series { name: String::new(), points: vec![(1.0, 2.0), (2.0, 2.0)] };
        assert_eq!(value_range([&flat]), (1.5, 2.5));
        assert_eq!(value_range([]), (0.0, 1.0));
    }

    #[test]
    fn numbers_that_no_scale_holds_are_left_out() {
        let steps = [1e308, 2.0, -1e308, LARGEST, f64::INFINITY, f64::NAN, -LARGEST];
        let step = |(n, loss): (u64, f64)| Step { step: n, loss: Some(loss), ..Step::default() };
        let record = Record { steps: (1..).zip(steps).map(step).collect(), evaluations: Vec::new() };
        let curve = main_curve(&record).unwrap();
        assert_eq!(curve.points, [(2.0, 2.0), (4.0, LARGEST), (7.0, -LARGEST)]);
        let (low, high) = value_range([&curve]);
        assert!((low as f32).is_finite() && (high as f32 - low as f32).is_finite());
    }

    #[test]
    fn supervised_runs_show_their_loss() {
        let steps = vec![Step { step: 1, loss: Some(3.0), ..Step::default() }];
        let record = Record { steps, evaluations: Vec::new() };
        assert_eq!(main_curve(&record).unwrap().name, "loss");
        assert!(main_curve(&Record::default()).is_none());
    }
}
