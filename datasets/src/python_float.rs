//! Python's `repr` of a `float`.

/// The shortest text that reads back as `number`, spelled as Python spells it (`1.0`, `1e+16`, `1e-05`, `inf`).
pub(crate) fn repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust's shortest digits are Python's; only the choice and spelling of the exponent differ.
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    if (-4..16).contains(&exponent) || number == 0.0 {
        return format!("{number:?}").replace("e-5", "e-05");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::repr;

    #[test]
    fn floats_are_spelled_as_python_spells_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (2.5e-7, "2.5e-07"),
            (f64::INFINITY, "inf"),
        ];
        for (number, spelled) in cases {
            assert_eq!(repr(number), spelled);
        }
        assert_eq!(repr(f64::NAN), "nan");
    }
}
