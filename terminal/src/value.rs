//! A value of JSON or YAML in words, for messages about one that stands where another should.

use serde_json::Value;

use crate::count;

/// Most characters of a text that are shown.
const SHOWN: usize = 60;

/// What a value is: `the number 7`, `the text "many"`, `a list of 2 items`. Short, whatever the value is.
pub fn described(value: &Value) -> String {
    match value {
        Value::Null => "empty (null)".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(end, _)| end);
            // As JSON: what moves a cursor or ends a line is escaped.
            let shown = Value::from(&text[..end]).to_string();
            let more = if end < text.len() { "…" } else { "" };
            format!("the text {}{more}\"", &shown[..shown.len() - 1])
        }
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(items) => format!("a list of {}", count(items.len(), "item")),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_has_its_words_and_none_is_long() {
        for (value, words) in [
            (json!(null), "empty (null)"),
            (json!(true), "true"),
            (json!(10.5), "the number 10.5"),
            (json!("many"), "the text \"many\""),
            (json!("say \"yes\""), "the text \"say \\\"yes\\\"\""),
            (json!("a\u{1b}[2J\nb"), "the text \"a\\u001b[2J\\nb\""),
            (json!(""), "the text \"\""),
            (json!([]), "an empty list"),
            (json!([1]), "a list of 1 item"),
            (json!([1, 2]), "a list of 2 items"),
            (json!({"a": 1}), "an object"),
        ] {
            assert_eq!(described(&value), words);
        }
        assert_eq!(described(&json!("é".repeat(61))), format!("the text \"{}…\"", "é".repeat(60)));
    }
}
