//! Numbers of the closed encoding, compared as Python compares them.

use real_sandbox_api::Value;

/// A real number, exact.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// Decimal digits with an optional sign, no leading zeros, `0` for zero.
    Int(String),
    /// Not integral, infinite or not a number.
    Float(f64),
}

impl Number {
    /// The real number that a value is; `True` is 1, and a float without fraction is the integer it equals.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Int(u8::from(*flag).to_string())),
            Value::Int(digits) => Some(Self::Int(normal(digits))),
            Value::Float(text) => parse(text).map(Self::float),
            Value::Complex(real, imaginary) if parse(imaginary) == Some(0.0) => parse(real).map(Self::float),
            _ => None,
        }
    }

    fn float(number: f64) -> Self {
        // Rust prints the exact decimal expansion of an integral float.
        if number.is_finite() && number.fract() == 0.0 {
            Self::Int(normal(&format!("{number:.0}")))
        } else {
            Self::Float(number)
        }
    }

    /// Equality as by `==`, except that `nan` equals `nan`: an expected `nan` means one.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other || (one.is_nan() && other.is_nan()),
            _ => false,
        }
    }

    /// The nearest float.
    pub(super) fn approximate(&self) -> f64 {
        match self {
            Self::Int(digits) => digits.parse().unwrap_or(f64::NAN),
            Self::Float(number) => *number,
        }
    }

    /// A key under which equal numbers are found.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Int(digits) => digits.clone(),
            Self::Float(number) => format!("{number:?}"),
        }
    }
}

/// Whether two floats differ by no more than the relative or absolute tolerance.
pub(super) fn close(one: f64, other: f64, tolerance: f64) -> bool {
    one == other
        || (one.is_nan() && other.is_nan())
        || (one.is_finite()
            && other.is_finite()
            && (one - other).abs() <= tolerance * one.abs().max(other.abs()).max(1.0))
}

pub(super) fn parse(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Without leading zeros and without `-0`.
fn normal(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".into() } else { format!("{sign}{digits}") }
}
