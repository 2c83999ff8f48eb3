//! What `kubectl` reads otherwise than we do: it has YAML 1.1, and some habits of its own. A file means the same on a laptop and on a
//! cluster, so what would not is refused. `tests/kube/tests/reading.rs` compares both readers.

use serde_json::Value;

/// Words that YAML 1.1 takes for true and false, as `kubectl` does.
const TRUTHS: [&str; 8] = ["y", "yes", "n", "no", "on", "off", "true", "false"];

/// What is wrong with a plain scalar (one without quotes) that is a value.
pub(super) fn value(scalar: &str) -> Option<String> {
    let unsigned = scalar.strip_prefix(['+', '-']).unwrap_or(scalar);
    let rest = unsigned.strip_prefix('0').unwrap_or_default();
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        let message =
            "begins with 0, and kubectl may read it as an octal number: leave the 0 away, or put a text in quotes";
        return Some(format!("{scalar} {message}"));
    }
    if is_truth(scalar) && !is_cased_as_usual(scalar) {
        return Some(format!(
            "{scalar} is a text for kubectl, and no truth value: write {}, or put it in quotes",
            scalar.to_lowercase()
        ));
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"_.+-xXoO".contains(&byte));
    let begins = unsigned.trim_start_matches('.').starts_with(|first: char| first.is_ascii_digit());
    if begins && scalar.contains('_') && digits(scalar) && reads_otherwise_without_underscores(scalar) {
        return Some(format!(
            "{scalar} is a number for kubectl, which passes over _ in numbers: leave the _ away, or put a text in quotes"
        ));
    }
    None
}

/// What is wrong with a plain scalar that is a field's name: `kubectl` makes `on: x` a field `true`.
pub(super) fn key(scalar: &str) -> Option<String> {
    if is_truth(scalar) {
        return Some(format!("{scalar} is a truth value for kubectl, and not the name of a field: put it in quotes"));
    }
    value(scalar)
}

/// What is wrong with the merge key at a place of its object: `kubectl` lets it win over the fields before it, and of two merge keys
/// the last.
pub(super) fn merge(position: usize) -> Option<&'static str> {
    (position > 0).then_some(
        "<< has to be the first field of its object, and the only <<: kubectl lets it replace the fields above it. Several \
         objects are written <<: [*a, *b]",
    )
}

/// The line of a directive at the beginning of a file, and what is wrong with it.
pub(super) fn directive(text: &str) -> Option<(usize, &'static str)> {
    let says_nothing = |line: &str| line.trim().is_empty() || line.starts_with('#');
    let (at, _) = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .find(|(_, line)| !says_nothing(line))
        .filter(|(_, line)| line.starts_with('%'))?;
    Some((at + 1, "kubectl does not read directives, which are lines that begin with %: leave it away"))
}

/// What is wrong with the line on which a document begins.
pub(super) fn document(line: &str) -> Option<&'static str> {
    let rest = line.strip_prefix("---")?.trim_start();
    let message = "kubectl takes a line that begins with --- for the end of an object, with nothing behind it: begin the object on \
                   the next line";
    (!rest.is_empty() && !rest.starts_with('#')).then_some(message)
}

/// `16.0` and `1e3` are whole numbers for `kubectl`, which hands them on as `16` and `1000`.
pub(super) fn whole_numbers(value: &mut Value) {
    /// As far as each whole number is one of 64-bit floats.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            let float = number.is_f64().then(|| number.as_f64()).flatten();
            if let Some(float) = float.filter(|float| float.fract() == 0.0 && float.abs() <= EXACT) {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

fn is_truth(scalar: &str) -> bool {
    TRUTHS.contains(&scalar.to_lowercase().as_str())
}

/// `yes`, `Yes` and `YES`, but not `yEs`.
fn is_cased_as_usual(scalar: &str) -> bool {
    let rest = scalar.get(1..).unwrap_or_default();
    let lower = scalar.bytes().all(|byte| byte.is_ascii_lowercase());
    let first_is_upper = scalar.starts_with(|first: char| first.is_ascii_uppercase());
    let upper = rest.bytes().all(|byte| byte.is_ascii_uppercase());
    lower || (first_is_upper && (upper || rest.bytes().all(|byte| byte.is_ascii_lowercase())))
}

/// Whether a text for us becomes a number once the underscores are gone.
fn reads_otherwise_without_underscores(scalar: &str) -> bool {
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).ok();
    let plain = scalar.replace('_', "");
    read(scalar).is_some_and(|value| value.is_string()) && read(&plain).is_some_and(|value| value.is_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_truths_that_are_read_in_two_ways_are_told() {
        for scalar in ["010", "-007", "08", "0_8", "tRUE", "yES", "oN", "1_0.5", "1__0", "1_", "0x_1F"] {
            assert!(value(scalar).is_some_and(|said| said.starts_with(scalar)), "{scalar}");
        }
        for scalar in [
            "0",
            "-0",
            "0.10",
            "0x1F",
            "0o17",
            "1_000",
            "2024_01_01",
            "True",
            "NO",
            "off",
            "a_1",
            "1a_b",
            "x010",
            "1k",
            "_",
        ] {
            assert_eq!(value(scalar), None, "{scalar}");
        }
        for name in ["on", "Yes", "n", "TRUE", "010"] {
            assert!(key(name).is_some(), "{name}");
        }
        assert_eq!((key("name"), key("none"), key("1")), (None, None, None));
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let mut read = serde_json::json!({"a": [16.0, 1e3, -0.0, 0.5, 1e300, 7], "b": "16.0"});
        whole_numbers(&mut read);
        assert_eq!(read.to_string(), r#"{"a":[16,1000,0,0.5,1e+300,7],"b":"16.0"}"#);
    }

    #[test]
    fn lines_on_which_documents_begin_hold_nothing_else() {
        assert_eq!(directive("# a job\n\n%YAML 1.2\n---\na: 1\n").map(|(line, _)| line), Some(3));
        assert_eq!(directive("a: 1\n%b: 2\n"), None);
        assert!(document("--- {a: 1}").is_some() && document("--- a: 1").is_some());
        assert!(document("---").is_none() && document("---  # first").is_none() && document("a: 1").is_none());
    }
}
