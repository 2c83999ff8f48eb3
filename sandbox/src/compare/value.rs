//! Comparison of Python values.

use real_sandbox_api::{Comparison, Value};

use super::number::{Number, close, parse};

/// Largest set whose members are matched pair by pair when tolerance is asked for.
const MAX_PAIRWISE: usize = 2000;

/// Whether a returned value is as expected.
///
/// As Python's `==` on built-in types: `True == 1 == 1.0`, a list never equals a tuple, sets and dicts have no order.
/// Differences to `==`: `nan` equals `nan`; objects that are compared by their parts are of one type where its name is the same;
/// objects of other types are equal where type name and `repr` are.
/// `numeric` lets numbers that are not whole differ by the tolerance; `fuzzy` compares values as `exact` does.
pub fn values_equal(actual: &Value, expected: &Value, comparison: Comparison) -> bool {
    let tolerance = if let Comparison::Numeric { tolerance } = comparison { Some(tolerance) } else { None };
    equal(actual, expected, tolerance)
}

fn equal(actual: &Value, expected: &Value, tolerance: Option<f64>) -> bool {
    if let (Some(one), Some(other)) = (Number::of(actual), Number::of(expected)) {
        return tolerance.map_or_else(|| one.equals(&other), |tolerance| one.close(&other, tolerance));
    }
    if let Some(tolerance) = tolerance
        && let (Some(one), Some(other)) = (rounded(actual), rounded(expected))
    {
        return one.close(&other, tolerance);
    }
    if let (Some((kind, one)), Some((other_kind, other))) = (mapping(actual), mapping(expected)) {
        return match (kind, other_kind) {
            (Mapping::Ordered, Mapping::Ordered) => {
                let same = |(left, right): (&(Value, Value), &(Value, Value))| {
                    equal(&left.0, &right.0, tolerance) && equal(&left.1, &right.1, tolerance)
                };
                one.len() == other.len() && one.iter().zip(other).all(same)
            }
            (Mapping::Counts, Mapping::Counts) => dicts_equal(&counted(one), &counted(other), tolerance),
            _ => dicts_equal(one, other, tolerance),
        };
    }
    match (actual, expected) {
        (Value::None, Value::None) => true,
        (Value::Complex(..), Value::Complex(..)) => complex_equal(actual, expected, tolerance),
        (Value::Str(one), Value::Str(other)) | (Value::Bytes(one), Value::Bytes(other)) => one == other,
        (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other, tolerance))
        }
        (Value::Set(one), Value::Set(other)) => sets_equal(one, other, tolerance),
        (Value::Record(kind, one), Value::Record(other_kind, other)) => {
            kind == other_kind
                && one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| equal(one, other, tolerance))
        }
        (Value::Object(kind, text), Value::Object(other_kind, other_text)) => kind == other_kind && text == other_text,
        _ => false,
    }
}

/// What two mappings of one type compare by, beside keys and values.
#[derive(Clone, Copy)]
enum Mapping {
    Plain,
    /// Two of them compare in their order, one of them and another not.
    Ordered,
    /// In two of them what is not there counts 0.
    Counts,
}

fn mapping(value: &Value) -> Option<(Mapping, &[(Value, Value)])> {
    match value {
        Value::Dict(pairs) => Some((Mapping::Plain, pairs.as_slice())),
        Value::Record(kind, parts) => {
            let [Value::Dict(pairs)] = parts.as_slice() else { return None };
            match kind.as_str() {
                "collections.OrderedDict" => Some((Mapping::Ordered, pairs.as_slice())),
                "collections.Counter" => Some((Mapping::Counts, pairs.as_slice())),
                _ => None,
            }
        }
        _ => None,
    }
}

fn counted(pairs: &[(Value, Value)]) -> Vec<(Value, Value)> {
    let zero = Value::Int("0".into());
    pairs.iter().filter(|(_, count)| !equal(count, &zero, None)).cloned().collect()
}

/// A number, or the nearest float of a fraction without an end, which equals no other number exactly.
fn rounded(value: &Value) -> Option<Number> {
    Number::of(value).or_else(|| {
        let Value::Object(kind, text) = value else { return None };
        let (numerator, denominator) = text.split_once('/').filter(|_| kind == "fractions.Fraction")?;
        Some(parse(numerator)? / parse(denominator)?).filter(|number| number.is_finite()).map(Number::Float)
    })
}

fn complex_equal(actual: &Value, expected: &Value, tolerance: Option<f64>) -> bool {
    let parts = |value: &Value| match value {
        Value::Complex(real, imaginary) => parse(real).zip(parse(imaginary)),
        _ => None,
    };
    let Some(((one_real, one_imaginary), (real, imaginary))) = parts(actual).zip(parts(expected)) else { return false };
    let same = |one: f64, other: f64| one == other || tolerance.is_some_and(|tolerance| close(one, other, tolerance));
    same(one_real, real) && same(one_imaginary, imaginary)
}

fn sets_equal(one: &[Value], other: &[Value], tolerance: Option<f64>) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let sorted = |members: &[Value]| {
        let mut keys: Vec<String> = members.iter().map(key).collect();
        keys.sort_unstable();
        keys
    };
    if sorted(one) == sorted(other) {
        return true;
    }
    if tolerance.is_none() || one.len() > MAX_PAIRWISE {
        return false;
    }
    let mut left: Vec<&Value> = other.iter().collect();
    one.iter().all(|member| {
        let found = left.iter().position(|candidate| equal(member, candidate, tolerance));
        found.map(|at| left.swap_remove(at)).is_some()
    })
}

fn dicts_equal(one: &[(Value, Value)], other: &[(Value, Value)], tolerance: Option<f64>) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let sorted = |pairs: &[(Value, Value)]| {
        let mut keyed: Vec<(String, usize)> = pairs.iter().enumerate().map(|(at, pair)| (key(&pair.0), at)).collect();
        keyed.sort_unstable();
        keyed
    };
    sorted(one).into_iter().zip(sorted(other)).all(|((left_key, left), (right_key, right))| {
        left_key == right_key && equal(&one[left].1, &other[right].1, tolerance)
    })
}

/// A text that two values share exactly where they are equal.
fn key(value: &Value) -> String {
    if let Some(number) = Number::of(value) {
        return format!("#{}", number.key());
    }
    let sequence = |values: &[Value]| joined(values.iter().map(key));
    let unordered = |mut keys: Vec<String>| {
        keys.sort_unstable();
        joined(keys.into_iter())
    };
    match value {
        Value::None => "none".into(),
        Value::Str(text) => format!("s{text}"),
        Value::Bytes(text) => format!("b{text}"),
        Value::List(values) => format!("l{}", sequence(values)),
        Value::Tuple(values) => format!("u{}", sequence(values)),
        Value::Set(values) => format!("e{}", unordered(values.iter().map(key).collect())),
        Value::Dict(pairs) => format!(
            "m{}",
            unordered(
                pairs
                    .iter()
                    .map(|(name, value)| {
                        let name = key(name);
                        format!("{}:{name}{}", name.len(), key(value))
                    })
                    .collect()
            )
        ),
        Value::Record(kind, parts) => format!("r{}:{kind}{}", kind.len(), sequence(parts)),
        Value::Object(kind, text) => format!("o{}:{kind}{text}", kind.len()),
        Value::Complex(real, imaginary) => format!("c{:?},{:?}", parse(real), parse(imaginary)),
        // Numbers have their key above; this is text that is no number after all.
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Decimal(_) => format!("?{value:?}"),
    }
}

/// Keys one after the other, each after its length, so that none can imitate two.
fn joined(keys: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for key in keys {
        text.push_str(&key.len().to_string());
        text.push(':');
        text.push_str(&key);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(number: i64) -> Value {
        Value::Int(number.to_string())
    }
    fn float(text: &str) -> Value {
        Value::Float(text.into())
    }
    fn text(text: &str) -> Value {
        Value::Str(text.into())
    }
    fn same(one: &Value, other: &Value) -> bool {
        let forward = values_equal(one, other, Comparison::Exact);
        assert_eq!(forward, values_equal(other, one, Comparison::Exact), "equality is symmetric");
        forward
    }

    #[test]
    fn numbers_compare_across_types_as_in_python() {
        assert!(same(&int(1), &float("1.0")) && same(&Value::Bool(true), &int(1)) && same(&float("-0.0"), &int(0)));
        assert!(same(&float("1e+300"), &Value::Int(format!("{:.0}", 1e300))));
        assert!(!same(&Value::Int("9007199254740993".into()), &float("9007199254740992.0")));
        assert!(
            !same(&int(1), &text("1"))
                && !same(&Value::None, &int(0))
                && !same(&float("0.30000000000000004"), &float("0.3"))
        );
        assert!(same(&Value::Complex("2.0".into(), "0.0".into()), &int(2)));
        assert!(same(&Value::Set(vec![Value::Decimal("0.50".into())]), &Value::Set(vec![float("0.5")])));
        assert!(
            same(&float("nan"), &float("nan"))
                && same(&float("inf"), &float("inf"))
                && !same(&float("inf"), &float("-inf"))
        );
    }

    #[test]
    fn containers_compare_by_kind_and_content() {
        assert!(!same(&Value::List(vec![int(1)]), &Value::Tuple(vec![int(1)])));
        assert!(same(&Value::Set(vec![int(1), text("a")]), &Value::Set(vec![text("a"), float("1.0")])));
        assert!(!same(&Value::Set(vec![int(1), int(2)]), &Value::Set(vec![int(1), int(3)])));
        let dict =
            |pairs: &[(&str, i64)]| Value::Dict(pairs.iter().map(|(name, value)| (text(name), int(*value))).collect());
        assert!(same(&dict(&[("a", 1), ("b", 2)]), &dict(&[("b", 2), ("a", 1)])));
        assert!(!same(&dict(&[("a", 1), ("b", 2)]), &dict(&[("b", 1), ("a", 2)])));
    }

    #[test]
    fn ordered_mappings_and_counts_compare_otherwise_among_themselves() {
        let dict = |pairs: &[(&str, i64)]| Value::Dict(pairs.iter().map(|(name, at)| (text(name), int(*at))).collect());
        let of = |kind: &str, pairs: &[(&str, i64)]| Value::Record(format!("collections.{kind}"), vec![dict(pairs)]);
        let (forth, back) = ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)]);
        assert!(!same(&of("OrderedDict", &forth), &of("OrderedDict", &back)));
        assert!(same(&of("OrderedDict", &forth), &of("OrderedDict", &forth)));
        assert!(same(&of("OrderedDict", &forth), &dict(&back)) && same(&of("Counter", &forth), &dict(&back)));
        assert!(same(&of("OrderedDict", &forth), &of("Counter", &back)));
        assert!(same(&of("Counter", &[("a", 1), ("b", 0)]), &of("Counter", &[("a", 1)])));
        assert!(!same(&of("Counter", &[("a", 1), ("b", 0)]), &dict(&[("a", 1)])));
        assert!(!same(&of("ChainMap", &forth), &dict(&forth)), "no other record is a mapping");
    }

    #[test]
    fn records_compare_by_type_and_parts() {
        let record =
            |kind: &str, parts: &[&str]| Value::Record(kind.into(), parts.iter().map(|part| float(part)).collect());
        assert!(same(&record("m.P", &["1.0"]), &Value::Record("m.P".into(), vec![int(1)])));
        assert!(!same(&record("m.P", &["1.0"]), &record("m.Q", &["1.0"])));
        assert!(!same(&record("m.P", &["1.0"]), &record("m.P", &["1.0", "2.0"])));
        assert!(!same(&record("m.P", &["1.0"]), &Value::Tuple(vec![float("1.0")])));
        assert!(same(&Value::Set(vec![record("m.P", &["1.0"])]), &Value::Set(vec![record("m.P", &["1"])])));
        let policy = Comparison::Numeric { tolerance: 1e-6 };
        assert!(values_equal(&record("m.P", &["0.30000000000000004"]), &record("m.P", &["0.3"]), policy));
        let third = Value::Object("fractions.Fraction".into(), "1/3".into());
        assert!(
            values_equal(&third, &float("0.3333333333333333"), policy) && !same(&third, &float("0.3333333333333333"))
        );
        assert!(!values_equal(&third, &float("0.34"), policy) && values_equal(&third, &third, policy));
        let odd = Value::Object("fractions.Fraction".into(), format!("{}/1", "9".repeat(400)));
        assert!(values_equal(&odd, &odd, policy) && !values_equal(&odd, &float("inf"), policy));
    }

    #[test]
    fn texts_cannot_imitate_the_structure_of_a_key() {
        let one = Value::Set(vec![Value::Tuple(vec![text("a"), text("b")])]);
        let other = Value::Set(vec![Value::Tuple(vec![text("a2:sb")])]);
        assert!(!same(&one, &other));
        assert!(!same(&Value::Set(vec![text("none")]), &Value::Set(vec![Value::None])));
    }

    #[test]
    fn tolerance_reaches_into_containers() {
        let policy = Comparison::Numeric { tolerance: 1e-6 };
        let list = |last: &str| Value::List(vec![int(1), Value::Set(vec![float("0.1"), float(last)])]);
        assert!(values_equal(&list("0.30000000000000004"), &list("0.3"), policy));
        assert!(!values_equal(&list("0.31"), &list("0.3"), policy));
        let whole = Value::List(vec![Value::Int("1000000000000000001".into()), float("0.3")]);
        let other = Value::List(vec![Value::Int("1000000000000000000".into()), float("0.30000000000000004")]);
        assert!(!values_equal(&whole, &other, policy), "the tolerance is for the value that was rounded");
    }
}
