//! Numbers of the closed encoding, compared as Python compares them.

use real_sandbox_api::Value;

/// Under a tolerance, differences as small as this are what rounding leaves of a zero …
const ROUNDED_ZERO: f64 = 1e-9;
/// … and these of any other small number.
const ROUNDED: f64 = 1e-12;

/// A real number; every one but infinities and `nan` has an exact value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// An `int` or a `bool`.
    Whole(Exact),
    /// A finite `Decimal`.
    Decimal(Exact),
    /// A `float`, or what is not finite.
    Float(f64),
}

/// A sign, digits without zeros at either end (none for zero), and the power of ten that they are multiplied by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exact {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Exact {
    /// From `[sign] digits [. digits] [e exponent]`, as Python and Rust print numbers.
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (rest, 0_i64),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let exponent = exponent.checked_sub(fraction.len() as i64)?.checked_add((all.len() - kept.len()) as i64)?;
        let digits = kept.trim_start_matches('0');
        Some(if digits.is_empty() { Self::default() } else { Self { negative, digits: digits.to_owned(), exponent } })
    }

    fn of_float(number: f64) -> Option<Self> {
        // Rust prints as many digits as asked for, exactly; no float has more than these behind the point.
        number
            .is_finite()
            .then(|| if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.1074}") })
            .and_then(|text| Self::parse(&text))
    }

    /// Whether it is a whole number that every float format of 64 bits holds; others may be held, too.
    fn fits_a_float(&self) -> bool {
        const DIGITS: i64 = 15;
        self.exponent >= 0 && self.digits.len() as i64 <= DIGITS && self.exponent <= DIGITS - self.digits.len() as i64
    }

    fn approximate(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}0{}e{}", self.digits, self.exponent).parse().unwrap_or(f64::NAN)
    }
}

impl Number {
    /// The real number that a value is; `True` is 1.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Exact::parse(if *flag { "1" } else { "0" }).map(Self::Whole),
            Value::Int(digits) => Exact::parse(digits).map(Self::Whole),
            Value::Decimal(text) => Exact::parse(text).map(Self::Decimal).or_else(|| parse(text).map(Self::Float)),
            Value::Float(text) => parse(text).map(Self::Float),
            Value::Complex(real, imaginary) if parse(imaginary) == Some(0.0) => parse(real).map(Self::Float),
            _ => None,
        }
    }

    /// A word of an output that is a number as Python prints them. One that no float holds is text.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        if !word.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if !word.contains(['.', 'e', 'E']) {
            return Exact::parse(word).map(Self::Whole);
        }
        word.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Float)
    }

    fn exact(&self) -> Option<Exact> {
        match self {
            Self::Whole(exact) | Self::Decimal(exact) => Some(exact.clone()),
            Self::Float(number) => Exact::of_float(*number),
        }
    }

    fn approximate(&self) -> f64 {
        match self {
            Self::Whole(exact) | Self::Decimal(exact) => exact.approximate(),
            Self::Float(number) => *number,
        }
    }

    /// Equality as by `==`, except that `nan` equals `nan`: an expected `nan` means one.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(one), Self::Float(other)) => one == other || (one.is_nan() && other.is_nan()),
            (Self::Float(_), _) | (_, Self::Float(_)) => {
                matches!((self.exact(), other.exact()), (Some(one), Some(other)) if one == other)
            }
            (Self::Whole(one) | Self::Decimal(one), Self::Whole(other) | Self::Decimal(other)) => one == other,
        }
    }

    /// Whether two numbers are equal up to the tolerance. It is for what was rounded: whole numbers are exact, and a
    /// whole and a rounded one may differ by that much of 1, however large they are, and of themselves, however small.
    pub(super) fn close(&self, other: &Self, tolerance: f64) -> bool {
        if self.equals(other) {
            return true;
        }
        let (one, another) = (self.approximate(), other.approximate());
        match (self, other) {
            (Self::Whole(_), Self::Whole(_)) => false,
            // Beyond this the nearest float of a whole number is another whole number.
            (Self::Whole(_), _) | (_, Self::Whole(_)) => {
                one.abs().max(another.abs()) < 9e15
                    && (one - another).abs() <= tolerance
                    && close(one, another, tolerance)
            }
            // What is infinite only as a float was compared above.
            _ => one.is_finite() && another.is_finite() && close(one, another, tolerance),
        }
    }

    /// A key under which equal numbers are found: that of the float of the same value, where there is one.
    pub(super) fn key(&self) -> String {
        let of_float = |number: f64| format!("{:?}", if number == 0.0 { 0.0 } else { number });
        match self {
            Self::Float(number) => of_float(*number),
            Self::Whole(exact) | Self::Decimal(exact) => {
                let near = exact.approximate();
                let same = exact.fits_a_float() || Exact::of_float(near).is_some_and(|float| float == *exact);
                let Exact { negative, digits, exponent } = exact;
                // No float is written with the mark.
                let sign = if *negative { "-" } else { "" };
                if same { of_float(near) } else { format!("={sign}{digits}e{exponent}") }
            }
        }
    }
}

/// Whether two floats differ by no more than this share of the larger one, or by what rounding leaves of a zero.
pub(super) fn close(one: f64, other: f64, tolerance: f64) -> bool {
    let least = if one == 0.0 || other == 0.0 { ROUNDED_ZERO } else { ROUNDED };
    let allowed = (tolerance * one.abs().max(other.abs())).max(least.min(tolerance));
    one == other
        || (one.is_nan() && other.is_nan())
        || (one.is_finite() && other.is_finite() && (one - other).abs() <= allowed)
}

pub(super) fn parse(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Number {
        Number::of_word(text).expect("a number")
    }

    #[test]
    fn whole_numbers_are_exact_at_any_size() {
        let (million, next) = ("1000000", "1000001");
        assert!(!of(million).close(&of(next), 1e-5) && of(million).close(&of("+1000000"), 1e-5));
        assert!(!of("1000000000000000000").close(&of("1000000000000000001"), 0.5));
        assert!(!of(&"9".repeat(400)).close(&of(&"8".repeat(400)), 0.5), "both are infinite as floats");
        assert!(Number::of_word("1e999").is_none(), "no float, so a word like any other");
        assert!(!Number::of(&Value::Float("1e999".into())).expect("inf").close(&of(&"9".repeat(400)), 0.5));
    }

    #[test]
    fn a_whole_and_a_rounded_number_differ_by_a_share_of_one() {
        assert!(of("3").close(&of("3.0000000000000004"), 1e-5) && of("3").close(&of("3.0"), 0.0));
        assert!(!of("1000000").close(&of("1000000.4"), 1e-5) && !of("3").close(&of("3.1"), 1e-5));
        assert!(!of("10000000000000001").close(&of("1e16"), 0.5));
    }

    #[test]
    fn near_zero_the_tolerance_is_a_share_too() {
        assert!(!of("1e-7").close(&of("2e-7"), 1e-5) && !of("0.0").close(&of("0.000001"), 1e-5));
        assert!(of("0.0").close(&of("5.551115123125783e-17"), 1e-5) && of("1e-7").close(&of("1.000001e-7"), 1e-5));
        assert!(!of("0.0").close(&of("1e-17"), 0.0), "no tolerance is none");
    }

    #[test]
    fn decimals_are_numbers() {
        let decimal = |text: &str| Number::of(&Value::Decimal(text.into())).expect("a number");
        assert!(decimal("1.10").equals(&decimal("1.1")) && decimal("1E+3").equals(&of("1000")));
        assert!(decimal("0.5").equals(&of("0.5")) && !decimal("0.1").equals(&of("0.1")), "as in Python");
        assert!(decimal("0.1").close(&of("0.1"), 1e-5) && !decimal("0.1").close(&of("0.2"), 1e-5));
        assert!(decimal("-Infinity").equals(&Number::Float(f64::NEG_INFINITY)) && decimal("-0").equals(&of("0")));
        assert!(!decimal("1E+999999").close(&decimal("2E+999999"), 0.1));
        assert_eq!(decimal("0.5").key(), of("0.5").key());
        for (one, same) in [
            ("7", "7.0"),
            ("100", "1e2"),
            ("-3", "-3.0"),
            ("0", "-0.0"),
            ("1", "1.0"),
            ("10000000000000000000000", "1e22"),
        ] {
            assert_eq!(of(one).key(), of(same).key(), "{one}");
        }
        for (one, other) in [("9007199254740993", "9007199254740992.0"), ("100000000000000000000000", "1e23")] {
            assert_ne!(of(one).key(), of(other).key(), "{one}: the nearest float is another number");
        }
        assert_ne!(decimal("0.1").key(), of("0.1").key());
    }
}
