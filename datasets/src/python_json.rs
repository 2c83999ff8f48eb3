//! JSON as Python's `json.dumps` writes it, read into the closed encoding.
//!
//! The difference to strict JSON matters for test data: integers of any size, `NaN` and `Infinity`, lone surrogates.

use real_sandbox_api::Value;

use crate::python_float;

/// Nesting beyond this is refused rather than risked on the stack.
const MAX_DEPTH: usize = 256;

/// Reads one JSON document.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(reader.problem("text after the end of the value")) }
}

/// The entry of a dict value.
pub(crate) fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Dict(entries) = value else { return None };
    entries.iter().find(|(name, _)| matches!(name, Value::Str(name) if name == key)).map(|(_, entry)| entry)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(self.problem("nested too deeply"));
        }
        self.skip_space();
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float("nan".to_owned())),
            ("Infinity", Value::Float("inf".to_owned())),
            ("-Infinity", Value::Float("-inf".to_owned())),
        ];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match self.rest().bytes().next() {
            Some(b'"') => self.string().map(Value::Str),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.dict(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.problem("a value is needed")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut values = Vec::new();
        if self.take(']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.take(']') {
                return Ok(Value::List(values));
            }
            self.need(',')?;
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = Vec::new();
        if self.take('}') {
            return Ok(Value::Dict(entries));
        }
        loop {
            self.skip_space();
            if !self.rest().starts_with('"') {
                return Err(self.problem("a key in quotes is needed"));
            }
            let key = Value::Str(self.string()?);
            self.need(':')?;
            entries.push((key, self.value(depth + 1)?));
            if self.take('}') {
                return Ok(Value::Dict(entries));
            }
            self.need(',')?;
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .count();
        let text = &self.rest()[..length];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let value = if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
            Value::Int(if digits == "0" { "0" } else { text }.to_owned())
        } else {
            let number: f64 = text.parse().map_err(|_| self.problem("not a number"))?;
            Value::Float(python_float::repr(number))
        };
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else { return Err(self.problem("unfinished string")) };
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let Some(character) = self.rest().chars().next() else { return Err(self.problem("unfinished string")) };
        self.at += character.len_utf8();
        Ok(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.code_unit()?;
                if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with("\\u") {
                    let before = self.at;
                    self.at += 2;
                    let low = self.code_unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.problem("unknown escape")),
        })
    }

    fn code_unit(&mut self) -> Result<u32, String> {
        let digits = self.rest().get(..4).ok_or_else(|| self.problem("four hexadecimal digits are needed"))?;
        let unit = u32::from_str_radix(digits, 16).map_err(|_| self.problem("four hexadecimal digits are needed"))?;
        self.at += 4;
        Ok(unit)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(wanted);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.problem(&format!("`{wanted}` is needed"))) }
    }

    fn skip_space(&mut self) {
        self.at += self.rest().bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn problem(&self, what: &str) -> String {
        format!("is not JSON: {what} at byte {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_size_stay_exact_and_floats_are_spelled_as_in_python() {
        let value = parse("[123456789012345678901234567890, -0, 1.0, 1e20, NaN, -Infinity]").expect("parses");
        let Value::List(values) = value else { panic!("a list") };
        assert_eq!(values[0], Value::Int("123456789012345678901234567890".to_owned()));
        assert_eq!(values[1], Value::Int("0".to_owned()));
        assert_eq!(values[2], Value::Float("1.0".to_owned()));
        assert_eq!(values[3], Value::Float("1e+20".to_owned()));
        assert_eq!(values[5], Value::Float("-inf".to_owned()));
    }

    #[test]
    fn strings_are_unescaped_and_lone_surrogates_replaced() {
        let value = parse(r#"{"a\n": "\ud83d\ude00 \ud83d x ☃"}"#).expect("parses");
        assert_eq!(get(&value, "a\n"), Some(&Value::Str("😀 \u{fffd} x ☃".to_owned())));
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        for text in ["", "[1,", "{\"a\" 1}", "{1: 2}", "\"\\u12", "1 2", "\"\\ud83", "--1", &"[".repeat(100_000)] {
            let problem = parse(text).expect_err("must not parse");
            assert!(problem.contains("at byte"), "{problem}");
        }
    }
}
