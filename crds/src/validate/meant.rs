//! What a person perhaps meant by a value that is a text where a number or a truth value is needed.

use serde_json::Value;

/// The value to write in place of `text`, for a field `name` of type `wanted`; `None` where nothing is near.
pub(super) fn instead(wanted: &str, name: &str, text: &str) -> Option<String> {
    let (word, commented) = match text.split_once('#') {
        Some((word, _)) if !word.trim().is_empty() => (word.trim(), true),
        _ => (text.trim(), false),
    };
    if commented {
        let value = read(wanted, word)?;
        return Some(format!("a comment needs a space before its #: {value} # …"));
    }
    if wanted == "boolean" {
        let truth = matches!(word.to_lowercase().as_str(), "true" | "false");
        return truth.then(|| format!("without quotes: {}", word.to_lowercase()));
    }
    if let Some(value) = read(wanted, word) {
        return Some(format!("without quotes: {value}"));
    }
    number(wanted, name, word).map(|value| format!("did you mean {value}?"))
}

/// A number in one of the ways in which people write numbers elsewhere.
fn number(wanted: &str, name: &str, word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    if let Some(share) = word.strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok()) {
        return (wanted == "number").then(|| (share / 100.0).to_string());
    }
    if let Some(id) = lower.strip_prefix("cwe").map(|id| id.trim_start_matches(['-', ' ', ':', '_'])) {
        return id.parse::<u32>().ok().map(|id| id.to_string());
    }
    if name.ends_with("Seconds") {
        return seconds(&lower);
    }
    let comma = word.replacen(',', ".", 1);
    (wanted == "number" && comma != word).then(|| read(wanted, &comma)).flatten()
}

/// `90`, of `90s`, `1m30s`, `2h` or `1d`.
fn seconds(text: &str) -> Option<String> {
    let (mut all, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |next| end + next);
        let unit = match rest[end..unit_end].trim() {
            "s" | "sec" | "seconds" => 1,
            "m" | "min" | "minutes" => 60,
            "h" | "hours" => 3600,
            "d" | "days" => 86_400,
            _ => return None,
        };
        all = all.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[unit_end..];
    }
    (all > 0).then(|| all.to_string())
}

/// The word as a value of the type, as JSON writes it.
fn read(wanted: &str, word: &str) -> Option<String> {
    let value: Value = serde_json::from_str(word).ok()?;
    let fits = match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => value.is_boolean(),
    };
    fits.then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_other_peoples_ways_are_told_in_ours() {
        for (wanted, name, text, said) in [
            ("number", "alpha", "50%", "did you mean 0.5?"),
            ("number", "alpha", "0,5", "did you mean 0.5?"),
            ("number", "alpha", "0.5# half", "a comment needs a space before its #: 0.5 # …"),
            ("integer", "steps", "16", "without quotes: 16"),
            ("boolean", "suspend", "True", "without quotes: true"),
            ("integer", "cwes", "CWE-89", "did you mean 89?"),
            ("integer", "activeDeadlineSeconds", "2h", "did you mean 7200?"),
            ("integer", "timeoutSeconds", "1m30s", "did you mean 90?"),
        ] {
            assert_eq!(instead(wanted, name, text).as_deref(), Some(said), "{text}");
        }
        for (wanted, name, text) in [
            ("integer", "steps", "1,5"),
            ("integer", "steps", "2h"),
            ("integer", "seed", "abc"),
            ("number", "alpha", "1,000,000"),
            ("integer", "timeoutSeconds", "soon"),
            ("integer", "timeoutSeconds", ""),
            ("integer", "timeoutSeconds", "99999999999999999999d"),
            ("boolean", "suspend", "maybe"),
        ] {
            assert_eq!(instead(wanted, name, text), None, "{text}");
        }
    }
}
