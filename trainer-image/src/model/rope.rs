//! The rotary embedding: frequencies, how they are stretched for longer texts than a model was first trained on, and rotation.

use std::f64::consts::TAU;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::ModelConfig;

/// How frequencies are changed; transformers' `rope_type`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scaling {
    /// Not at all.
    Default,
    /// All divided by a factor (position interpolation, Chen et al. 2023).
    Linear { factor: f64 },
    /// Long wavelengths divided by a factor, short ones kept, a ramp between (Llama 3.1).
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
    /// As `Llama3` with a ramp over the dimensions, and attention sharpened (`YaRN`, Peng et al. 2023).
    Yarn { factor: f64, beta_fast: f64, beta_slow: f64, original: f64, truncate: bool, attention: f64 },
}

/// What is wrong with a description of the scaling: the value, and what would do.
pub(super) type Refused = (String, String);

impl Scaling {
    /// Reads `rope_scaling`, or `rope_parameters` of transformers 5.
    pub(super) fn of(config: &ModelConfig) -> Result<Self, Refused> {
        let Some(given) = ["rope_parameters", "rope_scaling"]
            .iter()
            .filter_map(|key| config.other.get(*key))
            .find(|value| value.as_object().is_some_and(|fields| !fields.is_empty()))
        else {
            return Ok(Self::Default);
        };
        let number = |key: &str| given.get(key).and_then(Value::as_f64);
        let needed = |key: &str| {
            let value = given.get(key).map_or_else(|| "absent".to_owned(), Value::to_string);
            let allowed = format!("this type of rotary embedding needs {key}, a number above 0");
            number(key).filter(|x| *x > 0.0 && x.is_finite()).ok_or((format!("{key}: {value}"), allowed))
        };
        let original = number("original_max_position_embeddings");
        let kind = given.get("rope_type").or_else(|| given.get("type")).and_then(Value::as_str).unwrap_or("default");
        match kind {
            "default" => Ok(Self::Default),
            "linear" => Ok(Self::Linear { factor: needed("factor")? }),
            "llama3" => {
                let (low, high) = (needed("low_freq_factor")?, needed("high_freq_factor")?);
                if low >= high {
                    return Err((
                        format!("low_freq_factor: {low}"),
                        format!("it must be below high_freq_factor ({high})"),
                    ));
                }
                Ok(Self::Llama3 {
                    factor: needed("factor")?,
                    low,
                    high,
                    original: needed("original_max_position_embeddings")?,
                })
            }
            "yarn" => {
                let factor = needed("factor")?;
                let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
                let non_zero = |key: &str| number(key).filter(|x| *x != 0.0);
                let attention = match (number("attention_factor"), non_zero("mscale"), non_zero("mscale_all_dim")) {
                    (Some(given), ..) => given,
                    (None, Some(mscale), Some(all)) => scale(mscale) / scale(all),
                    _ => scale(1.0),
                };
                Ok(Self::Yarn {
                    factor,
                    beta_fast: non_zero("beta_fast").unwrap_or(32.0),
                    beta_slow: non_zero("beta_slow").unwrap_or(1.0),
                    original: original.unwrap_or(config.max_position_embeddings as f64),
                    truncate: given.get("truncate").and_then(Value::as_bool).unwrap_or(true),
                    attention,
                })
            }
            other => Err((other.to_owned(), "default, linear, llama3 and yarn are implemented".to_owned())),
        }
    }

    /// Changes the frequencies of a head; `base` is θ. Also gives the factor of cosines and sines.
    fn apply(self, frequencies: &mut [f64], base: f64) -> f64 {
        let width = 2.0 * frequencies.len() as f64;
        match self {
            Self::Default => {}
            Self::Linear { factor } => frequencies.iter_mut().for_each(|f| *f /= factor),
            Self::Llama3 { factor, low, high, original } => {
                for f in frequencies {
                    let turns = original * *f / TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    *f = *f * kept + *f / factor * (1.0 - kept);
                }
            }
            Self::Yarn { factor, beta_fast, beta_slow, original, truncate, attention } => {
                // The dimension that turns so often over the original length.
                let dimension = |turns: f64| width * (original / (turns * TAU)).ln() / (2.0 * base.ln());
                let (low, high) = (dimension(beta_fast), dimension(beta_slow));
                let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
                let (low, high) = (low.max(0.0), high.min(width - 1.0));
                let high = if (high - low).abs() < f64::EPSILON { high + 1e-3 } else { high };
                for (i, f) in frequencies.iter_mut().enumerate() {
                    let divided = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    *f = *f / factor * divided + *f * (1.0 - divided);
                }
                return attention;
            }
        }
        1.0
    }
}

/// Frequencies of a decoder's heads.
#[derive(Debug)]
pub(super) struct Rope {
    /// [D/2], radians a position, 32 bits.
    pub(super) frequencies: Tensor,
    /// Factor of cosines and sines.
    pub(super) scale: f64,
}

impl Rope {
    /// Whether the frequencies that a configuration describes are numbers above 0, and so is the factor of cosines and sines.
    ///
    /// # Errors
    /// The first that is not, in words.
    pub(super) fn check(config: &ModelConfig) -> Result<(), String> {
        let (exact, scale) = exact(config, Scaling::of(config).unwrap_or(Scaling::Default));
        let is_wrong = |value: &f64| !(value.is_finite() && *value > 0.0);
        match exact.into_iter().chain([scale]).find(is_wrong) {
            Some(wrong) => Err(format!("such that one of its numbers is {wrong}")),
            None => Ok(()),
        }
    }

    /// Of a configuration that was checked.
    pub(super) fn new(config: &ModelConfig, device: Device) -> Self {
        let (width, base) = (config.head_width(), config.rotary_base());
        let exponents = Tensor::arange_start_step(0, width, 2, (Kind::Float, Device::Cpu)) / width as f64;
        let frequencies = (exponents * base.ln()).exp().reciprocal();
        let scaling = Scaling::of(config).unwrap_or(Scaling::Default);
        if scaling == Scaling::Default {
            return Self { frequencies: frequencies.to_device(device), scale: 1.0 };
        }
        let (exact, scale) = exact(config, scaling);
        Self { frequencies: Tensor::from_slice(&exact).to_kind(Kind::Float).to_device(device), scale }
    }
}

/// The frequencies of a head in 64 bits, and the factor of cosines and sines.
fn exact(config: &ModelConfig, scaling: Scaling) -> (Vec<f64>, f64) {
    let (width, base) = (config.head_width(), config.rotary_base());
    let mut exact: Vec<f64> = (0..width / 2).map(|i| base.powf(-2.0 * i as f64 / width as f64)).collect();
    let scale = scaling.apply(&mut exact, base);
    (exact, scale)
}

/// Rotary embedding of a set of positions, ready to be applied to heads.
///
/// With x = [a, b] cut in halves, the rotation is [a·cos − b·sin, b·cos + a·sin] = x·cos + roll(x)·[−sin, sin].
#[derive(Debug)]
pub(super) struct Rotation {
    /// [N, 1, D]
    cos: Tensor,
    /// [N, 1, D], the first half negated.
    sin: Tensor,
}

impl Rotation {
    /// Rotation of `positions` [N]; computed in 32 bits, kept as `kind`.
    pub(super) fn new(positions: &Tensor, rope: &Rope, kind: Kind) -> Self {
        let angles = (positions.to_kind(Kind::Float).unsqueeze(-1) * &rope.frequencies).unsqueeze(-2);
        let (mut cos, mut sin) = (angles.cos(), angles.sin());
        if (rope.scale - 1.0).abs() > f64::EPSILON {
            (cos, sin) = (cos * rope.scale, sin * rope.scale);
        }
        Self { cos: Tensor::cat(&[&cos, &cos], -1).to_kind(kind), sin: Tensor::cat(&[&-&sin, &sin], -1).to_kind(kind) }
    }

    /// Rotates heads [N, heads, D].
    pub(super) fn apply(&self, heads: &Tensor) -> Tensor {
        let half = heads.size().last().map_or(0, |width| width / 2);
        (heads * &self.cos).addcmul(&heads.roll(half, -1), &self.sin)
    }

    /// The rotation of some of the positions, by their indices [M].
    pub(super) fn at(&self, indices: &Tensor) -> Self {
        Self { cos: self.cos.index_select(0, indices), sin: self.sin.index_select(0, indices) }
    }
}
